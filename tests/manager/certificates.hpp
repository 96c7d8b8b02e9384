#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <unistd.h>

#include <ipc/tls_options.hpp>

namespace ipc::test {

/// A folder with certificates made for the occasion by the command `openssl`, and an authority that signs them. Gone with its end.
class Certificates {
 public:
  Certificates()
      : folder_(std::filesystem::temp_directory_path() / ("ipc-tls-" + std::to_string(::getpid()) + "-" + std::to_string(next()))) {
    std::filesystem::create_directory(folder_);
    run("openssl req -x509 " + fresh_key("ca") + " -days 2 -subj /CN=test-authority -out " + path("ca.pem"));
  }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;
  ~Certificates() { std::filesystem::remove_all(folder_); }

  std::string ca() const { return path("ca.pem"); }
  /// A certificate for a host ("IP:127.0.0.1", "DNS:elsewhere"), valid for so many days; -1: until yesterday.
  TlsOptions issue(const std::string& name, const std::string& host, int days = 1) const {
    const std::string extensions = path(name + ".ext");
    run("printf 'subjectAltName=" + host + "' > " + extensions);
    run("openssl req " + fresh_key(name) + " -subj /CN=" + name + " -out " + path(name + ".csr"));
    const std::string sign = "openssl x509 -req -in " + path(name + ".csr") + " -CA " + ca() + " -CAkey " + path("ca.key") +
                             " -CAcreateserial -extfile " + extensions + " -out " + path(name + ".pem");
    // What OpenSSL 3.4 has a word for, earlier ones say by a negative number of days, which that refuses.
    const std::string past = sign + " -not_before 20200101000000Z -not_after 20200102000000Z";
    const std::string for_days = sign + " -days " + std::to_string(days);
    run(days < 0 ? "(" + past + " || " + for_days + ")" : for_days);
    return {.cert = path(name + ".pem"), .key = path(name + ".key")};
  }

 private:
  static int next() {
    static int last = 0;
    return ++last;
  }
  std::string path(const std::string& file) const { return (folder_ / file).string(); }
  std::string fresh_key(const std::string& name) const {
    return "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + path(name + ".key");
  }
  static void run(const std::string& command) {
    if (std::system((command + " 2>/dev/null").c_str()) != 0) throw std::runtime_error("failed: " + command);
  }

  std::filesystem::path folder_;
};

}  // namespace ipc::test
