#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <ipc/error.hpp>

#include "ipc/shm/heap.hpp"
#include "ipc/shm/single.hpp"

namespace ipc::shm {
namespace {

void write_type(SegmentHeader& header, const Heap::NamedRequest& request) noexcept {
  header.named = 1;
  header.type_tag = request.type_tag;
  request.type_name.copy(header.type_name.data(), header.type_name.size() - 1);
}

std::string type_in(const SegmentHeader& header) {
  return {header.type_name.data(), ::strnlen(header.type_name.data(), header.type_name.size())};
}

/// Empty when the object is what is asked for.
std::string mismatch(const SegmentHeader& header, const Heap::NamedRequest& request) {
  const std::string what = "The shared object named \"" + request.name.text() + "\" ";
  if (header.type_tag != request.type_tag) {
    return what + "is an " + type_in(header) + ", not an " + request.type_name + ": objects of all kinds share one set of names.";
  }
  for (std::size_t i = 0; i < request.parts.size(); ++i) {
    if (header.parts[i].kind != request.parts[i].request.kind || header.parts[i].size < request.parts[i].least_size) {
      return what + "was made by a program in which " + request.type_name + " has another size.";
    }
  }
  return {};
}

}  // namespace

Heap::Segment& Heap::open_named_segment(const NamedRequest& request, Fd file) {
  const os::FileFacts facts = os::file_facts(file.get());
  if (Segment* known = find(facts.id)) return *known;
  if (facts.size > single_offset) {
    os::Mapping mapping(file.get(), facts.size);
    if (is_single(mapping) && header_of(mapping).named == 1) return add_segment(std::move(file), std::move(mapping), facts.id);
  }
  throw UsageError("The file " + request.name.path() + " is no shared object of this version of the library.");
}

Heap::Named Heap::named(const NamedRequest& request) {
  std::vector<Arena::Request> requests;
  for (const NamedPart& part : request.parts) requests.push_back(part.request);
  const Single single(requests);
  os::Mapping fresh;
  const auto build = [&](const Fd& fd) {
    fresh = os::Mapping(fd.get(), single.size());
    single.format(fresh);
    write_type(header_of(fresh), request);
    std::vector<std::byte*> parts;
    for (std::size_t i = 0; i < request.parts.size(); ++i) parts.push_back(fresh.data() + single.parts()[i].offset);
    request.construct(parts);
  };
  const std::lock_guard guard(mutex_);
  Opened opened;
  if (request.use == detail::NameUse::open_or_create)
    opened = open_or_create_named(request.name, single.size(), build);
  else if (request.use == detail::NameUse::create)
    opened = {create_named(request.name, single.size(), build), true};
  else
    opened.fd = open_named(request.name);

  Segment* segment = nullptr;
  if (opened.created) {
    const os::FileId id = os::file_facts(opened.fd.get()).id;
    segment = &add_segment(std::move(opened.fd), std::move(fresh), id);
    segment->name.emplace(request.name, segment->file.get(), CreatedName::AtEnd::persists);
  } else {
    segment = &open_named_segment(request, std::move(opened.fd));
    if (const std::string why = mismatch(header_of(segment->mapping), request); !why.empty()) {
      unmap_if_unused(*segment);
      throw UsageError(why);
    }
  }
  Named result;
  result.created = opened.created;
  for (std::size_t i = 0; i < request.parts.size(); ++i)
    result.parts.push_back(handle(*segment, header_of(segment->mapping).parts[i].offset));
  return result;
}

}  // namespace ipc::shm
