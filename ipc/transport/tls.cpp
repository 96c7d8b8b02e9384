#include "ipc/transport/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include <ipc/error.hpp>

namespace ipc::transport {

/// What OpenSSL counts, and how it is given back.
namespace openssl {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const noexcept {
    free(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Free<&SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Free<&SSL_free>>;
using Certificate = std::unique_ptr<X509, Free<&X509_free>>;

}  // namespace openssl

namespace {

/// A record holds at most so many.
constexpr std::size_t most_at_once = 16384;

/// What OpenSSL says about the last failure.
std::string openssl_reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "error " + std::to_string(error);
}

[[noreturn]] void fail_file(const char* what, const std::string& path) {
  throw std::invalid_argument("TLS: the file \"" + path + "\" is no " + what + " in PEM that can be read: " + openssl_reason() + ".");
}

}  // namespace

struct TlsContext::Native {
  openssl::Context context;
  openssl::Certificate own;
  std::string host;
  bool server = false;
};

struct TlsSession::Native {
  openssl::Session ssl;
  BIO* from_peer = nullptr;  // These two belong to `ssl`.
  BIO* to_peer = nullptr;
};

namespace {

/// Whoever has our own key is ourselves: the process that starts a server need not know what signed its certificate.
int verify(X509_STORE_CTX* chain, void* own) {
  const X509* leaf = X509_STORE_CTX_get0_cert(chain);
  if (own != nullptr && leaf != nullptr && X509_cmp(leaf, static_cast<X509*>(own)) == 0) return 1;
  return X509_verify_cert(chain);
}

void load_own(TlsContext::Native& native, const TlsOptions& options) {
  SSL_CTX* const context = native.context.get();
  if (SSL_CTX_use_certificate_chain_file(context, options.cert.c_str()) != 1) fail_file("certificate", options.cert);
  if (SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) != 1) fail_file("private key", options.key);
  if (SSL_CTX_check_private_key(context) != 1)
    throw std::invalid_argument("TLS: the private key in \"" + options.key + "\" is not that of the certificate in \"" + options.cert +
                                "\".");
  X509* const own = SSL_CTX_get0_certificate(context);
  X509_up_ref(own);
  native.own.reset(own);
}

}  // namespace

// --- context -------------------------------------------------------------------------------------------------------------

TlsContext::TlsContext(const TlsOptions& options, bool server) : native_(std::make_unique<Native>()) {
  ERR_clear_error();
  native_->server = server;
  native_->host = options.host;
  native_->context.reset(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* const context = native_->context.get();
  if (context == nullptr) throw std::bad_alloc();
  // Both sides are this library.
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (options.cert.empty() != options.key.empty()) throw UsageError("TLS needs both `.cert` and `.key`, or none of them.");
  if (!options.cert.empty()) load_own(*native_, options);
  if (!options.ca.empty()) {
    if (SSL_CTX_load_verify_locations(context, options.ca.c_str(), nullptr) != 1) fail_file("certificate of an authority", options.ca);
    if (server) SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options.ca.c_str()));
  } else if (!server) {
    SSL_CTX_set_default_verify_paths(context);
  }
  const bool asks = !server || !options.ca.empty();
  SSL_CTX_set_verify(context, asks ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &verify, native_->own.get());
}

TlsContext::~TlsContext() = default;

std::shared_ptr<const TlsContext> TlsContext::for_server(const TlsOptions& options) {
  if (options.cert.empty()) throw UsageError("A server that speaks TLS needs a certificate: give `.cert` and `.key` in `.tls`.");
  return std::shared_ptr<const TlsContext>(new TlsContext(options, true));
}

std::shared_ptr<const TlsContext> TlsContext::for_client(const TlsOptions& options) {
  return std::shared_ptr<const TlsContext>(new TlsContext(options, false));
}

std::unique_ptr<TlsSession> TlsContext::session(const std::string& host) const {
  auto session = std::make_unique<TlsSession::Native>();
  session->ssl.reset(SSL_new(native_->context.get()));
  SSL* const ssl = session->ssl.get();
  if (ssl == nullptr) throw std::bad_alloc();
  session->from_peer = BIO_new(BIO_s_mem());
  session->to_peer = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, session->from_peer, session->to_peer);
  if (session->from_peer == nullptr || session->to_peer == nullptr) throw std::bad_alloc();
  if (native_->server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
    const std::string& wanted = native_->host.empty() ? host : native_->host;
    X509_VERIFY_PARAM* const check = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(check, wanted.c_str()) != 1) {
      X509_VERIFY_PARAM_set1_host(check, wanted.c_str(), 0);
      // What the macro SSL_set_tlsext_host_name does, without its casts.
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(wanted.c_str()));
    }
    ERR_clear_error();
  }
  return std::make_unique<TlsSession>(std::move(session));
}

// --- session -------------------------------------------------------------------------------------------------------------

TlsSession::TlsSession(std::unique_ptr<Native> native) noexcept : native_(std::move(native)) {}
TlsSession::~TlsSession() = default;

void TlsSession::feed(std::span<const std::byte> bytes) {
  if (BIO_write(native_->from_peer, bytes.data(), static_cast<int>(bytes.size())) != static_cast<int>(bytes.size())) throw std::bad_alloc();
}

bool TlsSession::shake_hands() {
  if (established_) return true;
  ERR_clear_error();
  const int result = SSL_do_handshake(native_->ssl.get());
  if (result != 1 && SSL_get_error(native_->ssl.get(), result) != SSL_ERROR_WANT_READ) fail();
  return established_ = result == 1;
}

std::size_t TlsSession::read(std::span<std::byte> room) {
  ERR_clear_error();
  std::size_t size = 0;
  const int result = SSL_read_ex(native_->ssl.get(), room.data(), room.size(), &size);
  if (result == 1) return size;
  const int error = SSL_get_error(native_->ssl.get(), result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN) fail();
  return 0;
}

bool TlsSession::readable() const noexcept { return SSL_pending(native_->ssl.get()) > 0 || BIO_ctrl_pending(native_->from_peer) > 0; }

std::size_t TlsSession::write(std::span<const std::byte> bytes) {
  ERR_clear_error();
  std::size_t size = 0;
  if (SSL_write_ex(native_->ssl.get(), bytes.data(), std::min(bytes.size(), most_at_once), &size) != 1) fail();
  return size;
}

std::span<const std::byte> TlsSession::outgoing() {
  if (sent_ == outgoing_.size()) {
    outgoing_.resize(BIO_ctrl_pending(native_->to_peer));
    sent_ = 0;
    if (!outgoing_.empty()) BIO_read(native_->to_peer, outgoing_.data(), static_cast<int>(outgoing_.size()));
  }
  return std::span<const std::byte>(outgoing_).subspan(sent_);
}

void TlsSession::fail() const {
  const long verdict = SSL_get_verify_result(native_->ssl.get());
  if (verdict != X509_V_OK) {
    throw AuthenticationError(std::string("The peer's certificate is not accepted: ") + X509_verify_cert_error_string(verdict) + ".");
  }
  switch (ERR_GET_REASON(ERR_peek_last_error())) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH:
      throw AuthenticationError("The peer does not speak TLS: give both sides certificates in `.tls`, or none of them.");
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      throw AuthenticationError("The peer has no certificate, and this side wants one that its `.ca` has signed.");
    default:
      break;
  }
  // What the peer says of us comes as an alert, and those stand behind this number.
  if (ERR_GET_REASON(ERR_peek_last_error()) >= SSL_AD_REASON_OFFSET)
    throw AuthenticationError("The peer refuses this side's certificate, or the lack of one: " + openssl_reason() + ".");
  throw AuthenticationError("TLS failed: " + openssl_reason() + ".");
}

}  // namespace ipc::transport
