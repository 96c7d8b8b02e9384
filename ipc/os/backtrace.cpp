#include "ipc/os/backtrace.hpp"

#include <elf.h>
#include <execinfo.h>
#include <link.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <system_error>
#include <vector>

#include "ipc/os/modules.hpp"

namespace ipc::os {
namespace {

struct Function {
  std::uint64_t begin;
  std::uint64_t end;
  std::string name;
};

/// Reads `count` objects at this place of a file; false where it has none.
template <class T>
bool read_at(std::ifstream& file, std::uint64_t offset, std::uint64_t count, std::vector<T>& out) {
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  if (count > most / sizeof(T)) return false;
  out.resize(static_cast<std::size_t>(count));
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(count * sizeof(T)));
  return static_cast<bool>(file);
}

/// The functions of an ELF file, by address: from its full symbol table, or that of the dynamic linker if it was stripped.
std::vector<Function> functions_of(const std::string& path) {
  std::vector<Function> functions;
  std::ifstream file(path, std::ios::binary);
  std::vector<ElfW(Ehdr)> header;
  std::vector<ElfW(Shdr)> sections;
  if (!read_at(file, 0, 1, header) || std::string(reinterpret_cast<const char*>(header[0].e_ident), SELFMAG) != ELFMAG ||
      header[0].e_shentsize != sizeof(ElfW(Shdr)) || !read_at(file, header[0].e_shoff, header[0].e_shnum, sections))
    return functions;
  const auto is_table = [](ElfW(Word) type) { return [type](const ElfW(Shdr) & section) { return section.sh_type == type; }; };
  auto table = std::find_if(sections.begin(), sections.end(), is_table(SHT_SYMTAB));
  if (table == sections.end()) table = std::find_if(sections.begin(), sections.end(), is_table(SHT_DYNSYM));
  std::vector<ElfW(Sym)> symbols;
  std::vector<char> names;
  if (table == sections.end() || table->sh_link >= sections.size() ||
      !read_at(file, table->sh_offset, table->sh_size / sizeof(ElfW(Sym)), symbols) ||
      !read_at(file, sections[table->sh_link].sh_offset, sections[table->sh_link].sh_size, names))
    return functions;
  for (const auto& symbol : symbols) {
    if ((symbol.st_info & 0xf) != STT_FUNC || symbol.st_shndx == SHN_UNDEF || symbol.st_name >= names.size()) continue;
    const auto end = std::find(names.begin() + symbol.st_name, names.end(), '\0');
    functions.push_back({symbol.st_value, symbol.st_value + symbol.st_size, {names.begin() + symbol.st_name, end}});
  }
  std::sort(functions.begin(), functions.end(), [](const Function& a, const Function& b) { return a.begin < b.begin; });
  return functions;
}

struct File {
  std::string path;
  std::vector<Function> functions;
};

/// Never freed: exceptions may be looked at while static objects are destroyed.
const File* file_of(std::uint64_t module) {
  static std::mutex& mutex = *new std::mutex();
  static auto& files = *new std::map<std::uint64_t, File>();
  const std::lock_guard lock(mutex);
  if (const auto found = files.find(module); found != files.end()) return &found->second;
  for (const Module& loaded : loaded_modules()) {
    if (loaded.id != module) continue;
    std::error_code ignored;
    const std::string path = loaded.path.empty() ? std::filesystem::read_symlink("/proc/self/exe", ignored).string() : loaded.path;
    return &files.emplace(module, File{path, functions_of(path)}).first->second;
  }
  return nullptr;
}

}  // namespace

std::size_t backtrace(std::span<void*> frames) noexcept {
  return static_cast<std::size_t>(std::max(0, ::backtrace(frames.data(), static_cast<int>(frames.size()))));
}

Symbol symbol_at(std::uint64_t module, std::uint64_t offset) {
  const File* file = file_of(module);
  if (file == nullptr) return {};
  const auto& functions = file->functions;
  auto behind =
      std::upper_bound(functions.begin(), functions.end(), offset, [](std::uint64_t at, const Function& f) { return at < f.begin; });
  // A small function may lie in what another one claims.
  for (int tries = 0; tries < 4 && behind != functions.begin(); ++tries) {
    --behind;
    if (offset < behind->end) return {behind->name, file->path};
  }
  return {{}, file->path};
}

}  // namespace ipc::os
