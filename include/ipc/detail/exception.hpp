#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <ipc/detail/reader.hpp>
#include <ipc/detail/type_name.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/error.hpp>

namespace ipc::detail {

/// What another process needs to throw `exception` again: its type as far as the standard library knows it, what(),
/// and who threw it. The what()s of nested exceptions are appended. An exception that already came from a process
/// keeps the name and pid of that one. Accepts any exception, also `throw 42`. In a handler for it behind one for a
/// ThrowProbe, it also says where it was thrown.
void encode_exception(Writer& writer, std::exception_ptr exception, std::string_view process_name, pid_t pid);

/// The exception as an object that derives from the standard type it had (or the nearest standard base of its type)
/// and from `RemoteError`. Throws `EncodingError` for bytes that are no exception.
std::exception_ptr decode_exception(Reader& reader);

/// Of the exception being handled, whatever was thrown: `int`, `std::invalid_argument`. Empty outside of a handler.
std::string current_exception_type_name();
/// The same with what it says: `std::invalid_argument: stoi`. Only in a handler.
std::string describe_current_exception();

}  // namespace ipc::detail
