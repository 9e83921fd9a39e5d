#include "workers/notify/command_target.h"

#include <utility>

#include "eventstore/base/strings.h"
#include "workers/notify/wire.h"

namespace muster {
namespace {

constexpr int kNever = 65;
constexpr std::size_t kOutputShown = 160;

}  // namespace

CommandTarget::CommandTarget(ProgramRunner& programs, const Secrets& secrets,
                             std::vector<std::string> argv, absl::Duration patience)
    : programs_(programs), secrets_(secrets), argv_(std::move(argv)), patience_(patience) {}

Task<Delivery> CommandTarget::Deliver(NoticeMessage message) {
  using Result = Delivery::Result;
  ProgramCall call;
  call.argv = argv_;
  call.input = Cat(secrets_.Mask(notify::WebhookJson(message)), "\n");
  call.patience = patience_;
  const StatusOr<ProgramResult> ran = co_await programs_.Run(std::move(call));
  if (!ran.ok()) co_return Delivery{Result::kFailed, secrets_.Mask(Message(ran.status()))};
  Delivery delivery;
  delivery.answer = Cat("exit ", ran->exit_code);
  const std::string said = secrets_.Mask(ToValidUtf8(Trim(ran->output)));
  if (ran->exit_code != 0 && !said.empty()) {
    delivery.answer += Cat(": ", Ellipsize(said, kOutputShown));
  }
  delivery.result = ran->exit_code == 0        ? Result::kArrived
                    : ran->exit_code == kNever ? Result::kRefused
                                               : Result::kFailed;
  co_return delivery;
}

}  // namespace muster
