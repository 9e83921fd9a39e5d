#include "tests/storm/faulty_provider.h"

#include <utility>

#include "eventstore/base/strings.h"
#include "tests/storm/canary.h"

namespace muster::storm {
namespace {

class FaultyProvider final : public Provider {
 public:
  explicit FaultyProvider(std::unique_ptr<Provider> provider) : provider_(std::move(provider)) {}
  const ProviderName& name() const override { return provider_->name(); }

  Task<StatusOr<std::vector<Offer>>> SearchOffers(OfferQuery query, absl::Time deadline) override {
    co_return co_await provider_->SearchOffers(std::move(query), Until(deadline));
  }
  Task<StatusOr<Launched>> Launch(LaunchSpec spec, absl::Time deadline) override {
    LaunchSpec again = spec;
    StatusOr<Launched> first = co_await provider_->Launch(std::move(spec), Until(deadline));
    if (first.ok()) co_return first;
    const Trouble trouble = TroubleOf(first.status());
    const bool unclear = trouble == Trouble::kUnclear || trouble == Trouble::kMalformed;
    if (unclear && CanarySings("create-retried-blindly")) {
      co_return co_await provider_->Launch(std::move(again), deadline + absl::Minutes(1));
    }
    if (CanarySings("secret-in-error")) {
      std::string said = Cat(Message(first.status()), " in ");
      for (const auto& [key, value] : again.env) said += Cat(key, "=", value, " ");
      co_return MakeTrouble(trouble, said);
    }
    co_return first;
  }
  Task<StatusOr<std::vector<Instance>>> ListInstances(absl::Time deadline) override {
    StatusOr<std::vector<Instance>> list = co_await provider_->ListInstances(Until(deadline));
    co_return Believed(std::move(list));
  }
  Task<StatusOr<std::vector<Instance>>> FindByLabel(std::string label,
                                                    absl::Time deadline) override {
    StatusOr<std::vector<Instance>> list =
        co_await provider_->FindByLabel(std::move(label), Until(deadline));
    co_return Believed(std::move(list));
  }
  Task<StatusOr<std::optional<Instance>>> GetInstance(InstanceId id, absl::Time deadline) override {
    co_return co_await provider_->GetInstance(std::move(id), Until(deadline));
  }
  Task<Status> Destroy(InstanceId id, absl::Time deadline) override {
    co_return co_await provider_->Destroy(std::move(id), Until(deadline));
  }
  Task<Status> Start(InstanceId id, absl::Time deadline) override {
    co_return co_await provider_->Start(std::move(id), Until(deadline));
  }
  Task<Status> Stop(InstanceId id, absl::Time deadline) override {
    co_return co_await provider_->Stop(std::move(id), Until(deadline));
  }
  Task<StatusOr<LogTail>> FetchLog(InstanceId id, int lines, absl::Time deadline) override {
    StatusOr<LogTail> tail = co_await provider_->FetchLog(std::move(id), lines, Until(deadline));
    if (!tail.ok() && CanarySings("failed-look-is-no-container")) {
      co_return LogTail{.state = LogTail::State::kNoContainer};
    }
    co_return tail;
  }
  Task<StatusOr<Account>> GetAccount(absl::Time deadline) override {
    co_return co_await provider_->GetAccount(Until(deadline));
  }

 private:
  static absl::Time Until(absl::Time deadline) {
    return CanarySings("deadline-not-enforced") ? absl::InfiniteFuture() : deadline;
  }
  static StatusOr<std::vector<Instance>> Believed(StatusOr<std::vector<Instance>> list) {
    if (list.ok()) return list;
    const bool throttled = TroubleOf(list.status()) == Trouble::kThrottled;
    if (CanarySings("list-failure-is-empty") || (throttled && CanarySings("throttle-is-gone"))) {
      return std::vector<Instance>();
    }
    return list;
  }

  const std::unique_ptr<Provider> provider_;
};

}  // namespace

std::unique_ptr<Provider> MakeFaultyProvider(std::unique_ptr<Provider> provider) {
  return std::make_unique<FaultyProvider>(std::move(provider));
}

}  // namespace muster::storm
