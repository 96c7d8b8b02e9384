#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ipc {

namespace detail {
class Reader;
class Writer;
}  // namespace detail
namespace shm {
class NamedMemory;
}  // namespace shm
namespace os {
class Mapping;
}  // namespace os

/// Plain memory with a name, shared with whoever knows that: the file /dev/shm/<name>, exactly as Python's
/// `multiprocessing.shared_memory.SharedMemory` has it, in both directions. There is no lock and no structure in it.
///
///     auto memory = ipc::SharedMemory::create(1024, "frame");   // here
///     auto memory = ipc::SharedMemory::open("frame");           // there; or SharedMemory(name="frame") in Python
///
/// A handle: copies refer to the same memory, and so do those sent to other processes. The name goes with the last handle in
/// the process that made the memory, when that process exits, or by `unlink`; other processes, forked children among them,
/// never take it away, and keep the memory as long as they have it. When the maker is killed, the name stays until
/// somebody makes memory of that name again, or (if it is one of the automatic names) any named memory at all.
/// (A Python before 3.13 that only attaches takes the name away when it exits, as its resource tracker does to all.)
/// Any thread may use one handle at the same time as others, but for `close`.
class SharedMemory {
 public:
  /// `size` zeroed bytes, mode 0600 minus the umask; without a name, one like "psm_1f3a09bc" that nobody has.
  /// Throws `std::invalid_argument` for no size or what cannot be a name (1 to 255 bytes, no '/', no NUL), `std::system_error`
  /// (EEXIST) when the name is taken, ENOSPC when /dev/shm has not so much room.
  static SharedMemory create(std::size_t size, std::string_view name = "");
  /// All of the memory that has the name. Throws `std::system_error` (ENOENT) when there is none, EAGAIN when it has no
  /// size yet (Python makes the name first).
  static SharedMemory open(std::string_view name);

  /// The bytes; they stay until no handle in this process is left that has not been closed. Throws `UsageError` after `close`.
  std::span<std::byte> buf() const;
  std::size_t size() const noexcept;
  const std::string& name() const noexcept;

  /// This handle does without the bytes from here on; copies do not. Once is enough, twice does no harm.
  void close() const noexcept;
  /// Takes the name away; the bytes stay where they are in use. Throws `std::system_error` (ENOENT) when the name is gone, or
  /// means other memory.
  void unlink() const;

  /// Whether both are handles of the same memory.
  friend bool operator==(const SharedMemory& a, const SharedMemory& b) noexcept { return a.is_same(b); }

  void ipc_encode(detail::Writer& writer) const;
  static SharedMemory ipc_decode(detail::Reader& reader);

 private:
  friend class ShareableList;
  /// As `create`; `fill`, if any, runs before anybody can open it.
  static SharedMemory create_filled(std::size_t size, std::string_view name, const std::function<void(std::span<std::byte>)>& fill);
  explicit SharedMemory(std::shared_ptr<shm::NamedMemory> memory);
  bool is_same(const SharedMemory& other) const noexcept;

  std::shared_ptr<shm::NamedMemory> memory_;
  mutable std::shared_ptr<os::Mapping> bytes_;
};

}  // namespace ipc
