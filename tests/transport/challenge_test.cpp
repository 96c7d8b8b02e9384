#include "ipc/transport/challenge.hpp"

#include <string>
#include <string_view>

#include "ipc/transport/digest.hpp"
#include "tests/support/catch.hpp"
#include "tests/transport/bytes_of.hpp"

// What CPython 3.11.7 and 3.13.0 send with the key "parrot" and the random bytes 00 01 02….

namespace {

using ipc::Bytes;
using ipc::test::bytes_of;
using ipc::test::hex;
using ipc::test::text_of;
using ipc::test::unhex;
using ipc::transport::Handshake;
using ipc::transport::Side;
using State = Handshake::State;

Handshake::Random counting() {
  Handshake::Random random{};
  for (std::size_t i = 0; i < random.size(); ++i) random[i] = static_cast<std::byte>(i);
  return random;
}

const std::string counted = hex(counting());

Handshake listener(std::string_view key = "parrot") { return Handshake(Side::listener, bytes_of(key), counting()); }
Handshake client(std::string_view key = "parrot") { return Handshake(Side::client, bytes_of(key), counting()); }

Bytes challenge(std::string_view rest_in_hex) { return unhex(hex(bytes_of("#CHALLENGE#")) + std::string(rest_in_hex)); }
Bytes challenge(std::string_view digest, std::string_view random_in_hex) {
  return challenge(hex(bytes_of(digest)) + std::string(random_in_hex));
}

/// What a client with the key answers to a challenge.
std::string answer(const Bytes& asked, std::string_view key = "parrot") {
  Handshake handshake = client(key);
  return hex(handshake.receive(asked));
}
/// What a listener says to an answer, and why.
struct Verdict {
  std::string said;
  State state;
  std::string reason;
};
Verdict verdict(const Bytes& response, std::string_view key = "parrot") {
  Handshake handshake = listener(key);
  handshake.begin();
  const std::string said = text_of(handshake.receive(response));
  return {said, handshake.state(), handshake.reason()};
}

void run(Handshake& a, Handshake& b) {
  Bytes message = a.begin();
  b.begin();
  while (!message.empty()) {
    message = b.receive(message);
    if (!message.empty()) message = a.receive(message);
  }
}

TEST_CASE("a challenge is byte for byte CPython 3.12's") {
  CHECK(hex(listener().begin()) ==
        "234348414c4c454e4745237b7368613235367d"
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627");
  CHECK(listener().begin().size() == 59);
  CHECK(client().begin().empty());
}

TEST_CASE("test_challengeresponse: each digest is answered as CPython 3.13 answers") {
  CHECK(answer(challenge("{sha256}", counted)) == "7b7368613235367df3f41dd695913cd4b050e7a73517db51d47294075e3a9870289ae7f16ceb92ab");
  CHECK(answer(challenge("{md5}", counted)) == "7b6d64357d474f07f8add0b15194b415621b06aa76");
  CHECK(answer(challenge("{sha384}", counted)) ==
        "7b7368613338347df0a02acfc849a78365b4744e230a88dd01be88a9a1df2fde5900ac507c5db01163ab299e755c07fc399370aa20fabb8a");
  CHECK(answer(challenge("{sha3_256}", counted)) == "7b736861335f3235367dd904045130ca28ffe394d4869df35cd9bdd15ec616f58c9827b1f309e5d2a057");
  CHECK(answer(challenge("{sha3_384}", counted)) ==
        "7b736861335f3338347dcc9a7823b14da4f3f9632e30f1c3f7113ae133ce459e55d31ac0ac959c728c761180d2e22a0a7c5bbe9d52a70b0edfae");
}

TEST_CASE("a challenge of 20 bytes is answered as CPython 3.11 answers") {
  CHECK(answer(challenge(counted.substr(0, 40))) == "e224635a42226b118fb191996568597c");
}

TEST_CASE("an empty key is a key") {
  CHECK(answer(challenge("{sha256}", counted), "") == "7b7368613235367dd18b190a737f779d3125c4a2dfddcebf933e2f2713bc92fbe386ca25df9fd7af");
  CHECK(answer(challenge(counted.substr(0, 40)), "") == "eee7e8c8fa6d98a59d76c44ce7018548");
}

TEST_CASE("a listener accepts the answers of CPython 3.13 and 3.11") {
  CHECK(verdict(unhex("7b7368613235367df3f41dd695913cd4b050e7a73517db51d47294075e3a9870289ae7f16ceb92ab")).said == "#WELCOME#");
  // 3.11 takes the digest's name for random bytes.
  const Verdict legacy = verdict(unhex("2d0027fbd35f689d4435e93d717dbaa9"));
  CHECK(legacy.said == "#WELCOME#");
  CHECK(legacy.state == State::running);
  CHECK(verdict(unhex("ce41ab84017ef3f9983d4f85bdc11d08"), "").said == "#WELCOME#");
}

TEST_CASE("a client may answer with another digest, over what it was asked") {
  const Bytes asked = unhex(hex(bytes_of("{sha256}")) + counted);
  for (const auto digest :
       {ipc::transport::Digest::md5, ipc::transport::Digest::sha384, ipc::transport::Digest::sha3_256, ipc::transport::Digest::sha3_384}) {
    Bytes response = bytes_of("{" + std::string(name_of(digest)) + "}");
    const Bytes mac = hmac(digest, bytes_of("parrot"), asked);
    response.insert(response.end(), mac.begin(), mac.end());
    CHECK(verdict(response).said == "#WELCOME#");
  }
}

TEST_CASE("each side proves its key to the other") {
  for (const std::string_view key :
       {"parrot", "", "a key that is longer than a block of the hash function, which is what sixty-four bytes are"}) {
    Handshake a = listener(key);
    Handshake b = client(key);
    run(a, b);
    CHECK(a.state() == State::trusted);
    CHECK(b.state() == State::trusted);
  }
}

TEST_CASE("test_deliver_challenge_auth_failure: a wrong answer is told and refused") {
  for (const std::string_view response : {"something bogus", "0123456789abcdef", "{sha256}", "{sha256}0123456789abcdef0123456789abcdef", "",
                                          "{sha1}0123456789abcdef0123", "{sha256", "{}", "#WELCOME#"}) {
    const Verdict given = verdict(bytes_of(response));
    CHECK(given.said == "#FAILURE#");
    CHECK(given.state == State::refused);
    CHECK_FALSE(given.reason.empty());
  }
}

TEST_CASE("test_answer_challenge_auth_failure: whatever is no challenge is refused") {
  for (const Bytes& message :
       {bytes_of("something bogus"), Bytes(), challenge(""), challenge(counted.substr(0, 38)), challenge(counted),
        challenge("{sha1}", counted), challenge("{sha256", counted), bytes_of("#WELCOME#"), bytes_of("GET / HTTP/1.1")}) {
    Handshake handshake = client();
    CHECK(handshake.receive(message).empty());
    CHECK(handshake.state() == State::refused);
    CHECK_FALSE(handshake.reason().empty());
  }
}

TEST_CASE("a client that is refused says so") {
  for (const std::string_view said : {"#FAILURE#", "something bogus", "", "#WELCOME#\n"}) {
    Handshake handshake = client();
    handshake.receive(challenge("{sha256}", counted));
    CHECK(handshake.receive(bytes_of(said)).empty());
    CHECK(handshake.state() == State::refused);
  }
}

TEST_CASE("two keys end the handshake on both sides") {
  Handshake a = listener("parrot");
  Handshake b = client("cheese");
  run(a, b);
  CHECK(a.state() == State::refused);
  CHECK(b.state() == State::refused);
}

TEST_CASE("a client that is welcomed without knowing the key is found out by its own challenge") {
  // A listener without the key that welcomes everybody.
  Handshake handshake = client();
  handshake.receive(challenge("{sha256}", counted));
  const Bytes asked = handshake.receive(bytes_of("#WELCOME#"));
  CHECK(asked.size() == 59);
  CHECK(handshake.state() == State::running);
  CHECK(text_of(handshake.receive(bytes_of("{sha256}0123456789abcdef0123456789abcdef"))) == "#FAILURE#");
  CHECK(handshake.state() == State::refused);
}

TEST_CASE("an answer to another challenge is worth nothing") {
  // What was recorded from an earlier connection.
  Handshake::Random other = counting();
  other[0] = std::byte{0xff};
  Handshake handshake(Side::listener, bytes_of("parrot"), other);
  handshake.begin();
  CHECK(text_of(handshake.receive(unhex("7b7368613235367df3f41dd695913cd4b050e7a73517db51d47294075e3a9870289ae7f16ceb92ab"))) ==
        "#FAILURE#");
}

TEST_CASE("what comes after the end of a handshake changes nothing") {
  Handshake handshake = client();
  handshake.receive(bytes_of("bogus"));
  CHECK(handshake.receive(challenge("{sha256}", counted)).empty());
  CHECK(handshake.state() == State::refused);
}

}  // namespace
