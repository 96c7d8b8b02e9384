// Listeners without an address: they leave nothing behind, whatever is killed.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include <ipc/listener.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/transport/sockets.hpp"

namespace {

using ipc::Client;
using ipc::Listener;
using ipc::test::TemporaryFolder;

/// A place where nobody else makes such folders, and takes abandoned ones away.
class OwnPlace {
 public:
  OwnPlace() { ::setenv("TMPDIR", folder_.path().c_str(), 1); }
  OwnPlace(const OwnPlace&) = delete;
  OwnPlace& operator=(const OwnPlace&) = delete;
  ~OwnPlace() {
    if (before_)
      ::setenv("TMPDIR", before_->c_str(), 1);
    else
      ::unsetenv("TMPDIR");
  }
  std::filesystem::path path() const { return folder_.path(); }

 private:
  static std::optional<std::string> given() {
    const char* text = std::getenv("TMPDIR");
    return text != nullptr ? std::optional<std::string>(text) : std::nullopt;
  }
  std::optional<std::string> before_ = given();
  TemporaryFolder folder_;
};

TEST_CASE("the private folder of a killed listener goes with the next one that is made, and no other does") {
  const OwnPlace place;
  auto [told, tell] = ipc::Pipe(false);
  const auto folder_of = [](const std::string& address) { return std::filesystem::path(address.substr(5)).parent_path(); };
  const Listener used;
  {
    ipc::test::ForkedChild child([&tell = tell] {
      const Listener listener;
      tell.send(listener.address());
      ::kill(::getpid(), SIGKILL);
    });
    CHECK(child.wait() == -SIGKILL);
  }
  const auto left = told.recv<std::string>();
  REQUIRE(std::filesystem::exists(folder_of(left)));
  // Others' of the same kind: a file, a link, a folder with more in it.
  const TemporaryFolder target;
  const auto link = place.path() / "ipc-listener-abcdef";
  const auto full = place.path() / "ipc-listener-ghijkl";
  std::filesystem::create_directory_symlink(target.path(), link);
  std::filesystem::create_directory(full);
  std::filesystem::permissions(full, std::filesystem::perms::owner_all);
  std::ofstream(full / "more") << "precious";
  {
    const Listener next;
    CHECK_FALSE(std::filesystem::exists(folder_of(left)));
    CHECK(std::filesystem::exists(folder_of(used.address())));
    CHECK(std::filesystem::exists(target.path()));
    CHECK(std::filesystem::is_symlink(link));
    CHECK(std::filesystem::exists(full / "more"));
    CHECK(Client(used.address()).writable());
  }
}

TEST_CASE("a private folder lasts as long as anybody has its listener, and folders that are made at the same time do not disturb") {
  const OwnPlace place;
  Listener listener;
  const std::string path = listener.address().substr(5);
  {
    auto [told, tell] = ipc::Pipe(false);
    ipc::test::ForkedChild heir([&, &tell = tell] {
      tell.send(1);
      listener.accept().send(5);
    });
    told.recv<int>();
    std::vector<ipc::test::ForkedChild> makers;
    for (int i = 0; i < 4; ++i) {
      makers.emplace_back([] {
        for (int n = 0; n < 50; ++n) {
          const Listener made;
          if (!Client(made.address()).writable()) return 1;
        }
        return 0;
      });
    }
    for (auto& maker : makers) CHECK(maker.wait() == 0);
    CHECK(std::filesystem::is_socket(path));
    CHECK(Client(listener.address()).recv<int>() == 5);
    CHECK(heir.wait() == 0);
  }
  listener.close();
  CHECK_FALSE(std::filesystem::exists(std::filesystem::path(path).parent_path()));
}

}  // namespace
