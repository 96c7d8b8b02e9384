#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <ipc/bytes.hpp>
#include <ipc/tls_options.hpp>

namespace ipc::transport {

/// TLS 1.3 between a stream of bytes and the one that travels, without any I/O: `feed` it what came, send its `outgoing`.
/// One thread at a time.
class TlsSession {
 public:
  struct Native;
  explicit TlsSession(std::unique_ptr<Native> native) noexcept;
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  void feed(std::span<const std::byte> bytes);
  /// True when it is over, false when the peer has to say something more. Throws `AuthenticationError` when it failed; even then
  /// there may be something to send, from which the peer learns of it.
  bool shake_hands();
  bool established() const noexcept { return established_; }
  /// Bytes for us, at most as many as there is room for; none when the peer has to send more first. Throws
  /// `AuthenticationError` for what is none of TLS, also when the peer refuses our certificate.
  std::size_t read(std::span<std::byte> room);
  /// Whether `read` has something without more being fed.
  bool readable() const noexcept;
  /// Turns at most 16 KiB of the bytes into outgoing ones; returns how many.
  std::size_t write(std::span<const std::byte> bytes);
  /// What is to be sent, until `sent` says how much has been.
  std::span<const std::byte> outgoing();
  void sent(std::size_t size) noexcept { sent_ += size; }

 private:
  [[noreturn]] void fail() const;

  std::unique_ptr<Native> native_;
  Bytes outgoing_;
  std::size_t sent_ = 0;
  bool established_ = false;
};

/// Certificates and keys, loaded once for many sessions. Any thread; a forked child may go on with it.
class TlsContext {
 public:
  /// Throws `std::invalid_argument` for files that are none, `UsageError` without `cert` and `key`.
  static std::shared_ptr<const TlsContext> for_server(const TlsOptions& options);
  static std::shared_ptr<const TlsContext> for_client(const TlsOptions& options);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  /// `host`: of a client's server, a name or an IP address.
  std::unique_ptr<TlsSession> session(const std::string& host = {}) const;

  struct Native;

 private:
  TlsContext(const TlsOptions& options, bool server);

  std::unique_ptr<Native> native_;
};

}  // namespace ipc::transport
