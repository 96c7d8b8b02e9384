#include "ipc/os/modules.hpp"

#include <link.h>

#include <cstddef>
#include <cstring>

namespace ipc::os {
namespace {

constexpr std::size_t aligned(std::size_t size, std::size_t alignment) { return (size + alignment - 1) / alignment * alignment; }

/// The id in a segment of notes, 0 if there is none. The segment was mapped by the loader; its lengths are checked
/// all the same.
std::uint64_t build_id_in(const std::byte* notes, std::size_t size, std::size_t alignment) {
  if (alignment < 4) alignment = 4;
  std::size_t at = 0;
  ElfW(Nhdr) header{};
  while (size - at >= sizeof header) {
    std::memcpy(&header, notes + at, sizeof header);
    const std::size_t name = at + sizeof header;
    const std::size_t description = aligned(name + header.n_namesz, alignment);
    if (header.n_namesz > size || header.n_descsz > size || description + header.n_descsz > size) return 0;
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && std::memcmp(notes + name, "GNU", 4) == 0 &&
        header.n_descsz >= sizeof(std::uint64_t)) {
      std::uint64_t id = 0;
      std::memcpy(&id, notes + description, sizeof id);
      return id;
    }
    at = aligned(description + header.n_descsz, alignment);
    if (at > size) return 0;
  }
  return 0;
}

/// FNV-1a over 8 bytes at a time: runs over megabytes of code, once a process, only for modules without a build-id.
std::uint64_t hash_of(const std::byte* bytes, std::size_t size, std::uint64_t hash) {
  std::uint64_t word = 0;
  for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
    std::memcpy(&word, bytes, sizeof word);
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 29;  // Multiplication alone never carries a high bit down.
  }
  for (; size > 0; ++bytes, --size) hash = (hash ^ std::to_integer<std::uint64_t>(*bytes)) * 0x100000001b3u;
  return hash;
}

Module describe(const dl_phdr_info& info, bool is_program) {
  Module module;
  module.base = info.dlpi_addr;
  if (!is_program && info.dlpi_name != nullptr) module.path = info.dlpi_name;
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (ElfW(Half) i = 0; i < info.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info.dlpi_phdr[i];
    const auto* bytes = reinterpret_cast<const std::byte*>(info.dlpi_addr + segment.p_vaddr);
    if (segment.p_type == PT_NOTE && module.id == 0) {
      module.id = build_id_in(bytes, segment.p_memsz, segment.p_align);
    } else if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && (segment.p_flags & PF_R) != 0) {
      module.code.push_back({segment.p_vaddr, segment.p_vaddr + segment.p_memsz});
    }
  }
  if (module.id == 0) {
    for (const CodeRange& range : module.code) {
      hash = hash_of(reinterpret_cast<const std::byte*>(module.base + range.begin), range.end - range.begin, hash);
    }
    module.id = hash == 0 ? 1 : hash;
  }
  return module;
}

}  // namespace

std::vector<Module> loaded_modules() {
  std::vector<Module> modules;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* list) {
        auto& found = *static_cast<std::vector<Module>*>(list);
        found.push_back(describe(*info, found.empty()));
        return 0;
      },
      &modules);
  return modules;
}

}  // namespace ipc::os
