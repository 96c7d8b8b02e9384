#include <ipc/detail/type_name.hpp>

#include <cstdlib>
#include <memory>

#include <cxxabi.h>

namespace ipc::detail {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

}  // namespace

std::string demangle(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> readable(abi::__cxa_demangle(mangled, nullptr, nullptr, &status), std::free);
  if (readable == nullptr) return mangled;
  std::string name = readable.get();
  // libstdc++ spells its new ABI out; nobody wrote these words in a program.
  replace_all(name, "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string");
  replace_all(name, "std::__cxx11::", "std::");
  replace_all(name, "[abi:cxx11]", "");
  replace_all(name, "std::filesystem::__cxx11::", "std::filesystem::");
  replace_all(name, "> >", ">>");
  return name;
}

}  // namespace ipc::detail
