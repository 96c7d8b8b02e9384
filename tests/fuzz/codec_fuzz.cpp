// libFuzzer: bytes as messages of several types. Whatever the bytes, decoding gives a value or EncodingError; what it
// gives is encoded again and must decode to the same encoding.

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/codec.hpp>
#include <ipc/detail/exception.hpp>

namespace {

using ipc::detail::Reader;
using ipc::detail::Writer;

struct Record {
  std::uint64_t id = 0;
  std::string name;
  std::vector<double> samples;
  std::vector<Record> parts;
  std::optional<std::variant<std::monostate, bool, std::u16string>> choice;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& id& name& samples& parts& choice;
  }
};

template <class T>
void try_type(std::span<const std::byte> bytes) {
  Writer first;
  try {
    Reader reader(bytes);
    ipc::detail::encode(first, ipc::detail::decode<T>(reader));
  } catch (const ipc::EncodingError&) {
    return;
  }
  // A value that was decoded can be sent on.
  Reader reader(first.view());
  Writer second;
  ipc::detail::encode(second, ipc::detail::decode_all<T>(reader));
  if (second.size() != first.size()) std::abort();
}

void try_exception(std::span<const std::byte> bytes) {
  try {
    Reader reader(bytes);
    const std::exception_ptr exception = ipc::detail::decode_exception(reader);
    Writer writer;
    ipc::detail::encode_exception(writer, exception, "fuzz", 1);
  } catch (const ipc::EncodingError&) {
  }
}

/// A call whose callable is fixed and whose arguments are the fuzzer's. (The token is not: it is code of this program,
/// and peers that may send one are trusted to run code.)
void try_arguments(std::span<const std::byte> bytes) {
  const auto size = [](const std::string& text, std::map<int, std::vector<bool>> map, std::bitset<5> bits) {
    return text.size() + map.size() + bits.count();
  };
  Writer request;
  request.raw(ipc::detail::thunk_token<decltype(size), std::string, std::map<int, std::vector<bool>>, std::bitset<5>>());
  request.bytes(bytes.data(), bytes.size());
  try {
    Reader reader(request.view());
    Writer result;
    ipc::detail::run_call(reader, result);
  } catch (const ipc::EncodingError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0] % 10) {
    case 0:
      try_type<Record>(bytes);
      break;
    case 1:
      try_type<std::vector<std::string>>(bytes);
      break;
    case 2:
      try_type<std::map<std::string, std::optional<std::vector<bool>>>>(bytes);
      break;
    case 3:
      try_type<std::variant<int, std::string, std::deque<std::pair<bool, std::u32string>>>>(bytes);
      break;
    case 4:
      try_type<std::tuple<bool, std::bitset<70>, std::array<std::string, 2>, std::filesystem::path>>(bytes);
      break;
    case 5:
      try_type<std::unordered_multimap<std::string, std::shared_ptr<std::list<int>>>>(bytes);
      break;
    case 6:
      try_type<std::forward_list<std::set<std::tuple<>>>>(bytes);
      break;
    case 7:
      try_exception(bytes);
      break;
    case 8:
      try_arguments(bytes);
      break;
    default:
      try_type<std::vector<Record>>(bytes);
      break;
  }
  return 0;
}
