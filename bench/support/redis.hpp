#pragma once

#include <hiredis/hiredis.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/support/helper.hpp"
#include "bench/support/own_cpu.hpp"

namespace ipc::bench {

/// A Redis server of the benchmark's own, on a unix socket in a folder that goes with it, which writes nothing to disk; and one
/// connection to it. Without the program `redis-server` it has no connection.
class Redis {
 public:
  Redis() {
    for (int tries = 0; tries < 200; ++tries) {
      connection_.reset(::redisConnectUnix(socket_.c_str()));
      if (connection_ != nullptr && connection_->err == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    connection_.reset();
  }
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;
  ~Redis() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  explicit operator bool() const noexcept { return connection_ != nullptr; }
  /// Ends the benchmark when Redis refuses it.
  void command(std::initializer_list<const char*> words) const {
    std::vector<const char*> list(words);
    auto* const reply =
        static_cast<redisReply*>(::redisCommandArgv(connection_.get(), static_cast<int>(list.size()), list.data(), nullptr));
    if (reply == nullptr || reply->type == REDIS_REPLY_ERROR) {
      std::fprintf(stderr, "Redis refuses %s: %s\n", list.front(), reply != nullptr ? reply->str : connection_->errstr);
      std::exit(1);
    }
    ::freeReplyObject(reply);
  }

 private:
  static std::string make_folder() {
    std::string name = "/tmp/ipc-bench-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    return name;
  }
  struct Closer {
    void operator()(redisContext* context) const { ::redisFree(context); }
  };

  std::string folder_ = make_folder();
  std::string socket_ = folder_ + "/redis";
  Helper server_{[this] {
    stay_on_own_cpu(1);
    static_cast<void>(std::freopen("/dev/null", "w", stdout));
    ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_.c_str(), "--save", "", "--appendonly", "no", "--dir",
             folder_.c_str(), static_cast<char*>(nullptr));
  }};
  std::unique_ptr<redisContext, Closer> connection_;
};

}  // namespace ipc::bench
