// An object of a class of one's own in a manager's server: what is called runs there.

#include <iostream>
#include <ipc/ipc.hpp>
#include <list>
#include <stdexcept>

class Account {
 public:
  explicit Account(int balance) : balance_(balance) {}
  int deposit(int amount) { return balance_ += amount; }
  int withdraw(int amount) {
    if (amount > balance_) throw std::invalid_argument("there is not so much in it");
    return balance_ -= amount;
  }
  int balance() const { return balance_; }

 private:
  int balance_;
};

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  const ipc::Manager manager;
  const auto account = manager.object<Account>(100);
  {
    std::list<ipc::Process> children;
    for (int i = 0; i < 3; ++i) {
      children.emplace_back([=] {
        for (int n = 0; n < 100; ++n) account.call(&Account::deposit, 2);
      });
      children.back().start();
    }
  }
  std::cout << "balance: " << account.call(&Account::balance) << "\n";
  try {
    account.call(&Account::withdraw, 1'000'000);
  } catch (const std::invalid_argument& error) {
    std::cout << "refused: " << error.what() << "\n";
  }
}
