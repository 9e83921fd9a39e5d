// server/ID: one dedicated server, from the plan to order it until it is given back.
//
// (none) -ServerPlanned-> planned -ServerOrderRequested-> ordering -Accepted-> ordered -Delivered->
// delivered, and from there step by step: RESCUE, INSPECT, PREPARE, BOOT, REGISTER, VALIDATE; each
// is an intent and an outcome, one at a time. An unclear order stays in `ordering` until complete
// lists have settled it. Cancellation goes its own way beside the steps. Values only; Evolve never
// fails and knows no clock. Times are ours.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/context.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/server.h"

namespace muster::server {

using Step = eventpb::ServerStep;
inline constexpr int kSteps = 8;  // SERVER_STEP_UNSPECIFIED included

enum class OrderPhase {
  kNone,
  kPlanned,
  kRequested,  // the intent is durable; sent or not
  kUnclear,    // sent, and nobody knows
  kAccepted,
  kRefused,
  kNotFound,  // never seen over the settle time, and still on sale: it was not bought
  kInDoubt,   // never seen, and no longer on sale: a person must look
  kDelivered,
};

// What the machine runs, as far as its last step tells.
enum class System { kUnknown, kRescue, kInstalled };

struct StepState {
  int attempts = 0;
  Stamp requested;
  Stamp done;
  Stamp failed;
  std::string detail;  // of the last outcome
  bool transient = false;
  std::string next;
  bool Done() const { return done.position > requested.position; }
  bool Failed() const { return failed.position > requested.position; }
};

struct State {
  ServerId id;
  ServerName name;
  ProviderName provider;
  specpb::ServerSpec spec;
  std::string order_public_key;
  std::string order_key_md5;
  std::string host_public_key;

  OrderPhase order_phase = OrderPhase::kNone;
  eventpb::ServerOfferTaken offer;
  OrderId order;
  std::string order_detail;  // why it was refused, or why nobody knows
  Stamp planned;
  Stamp order_requested;
  Stamp delivered;
  Stamp ended;
  eventpb::ServerEnded::How ended_how = eventpb::ServerEnded::HOW_UNSPECIFIED;

  ServerNumber number;
  std::string ipv4;
  std::string ipv6_net;
  std::vector<eventpb::HostKey> rescue_keys;  // pinned while the rescue system runs
  System system = System::kUnknown;

  std::array<StepState, kSteps> steps;
  Step running = eventpb::SERVER_STEP_UNSPECIFIED;
  eventpb::ServerStepRequested intent;            // of the step that runs
  Stamp reset;                                    // since the running step was asked for
  std::optional<eventpb::Inspection> inspection;  // since the last rescue system came up
  std::string image_sha256;                       // what was installed
  std::string machine_line;                       // "" = not registered
  std::string last_build;                         // asked for by muster itself; "" = none
  eventpb::ServerOverdue overdue;                 // empty = nothing is
  Stamp overdue_at;

  eventpb::BuilderObserved vitals;
  Stamp vitals_at;

  std::string cancel_wanted;  // a date, or "now": asked for and not read back yet
  std::string cancel_set;     // read back from the provider
  bool revoke_wanted = false;
  std::string cancel_detail;  // of the last one that failed
  Stamp cancel_asked;
  eventpb::ServerObserved seen;  // the provider's word
  Stamp seen_at;
  int absent_lists = 0;  // complete lists in a row without it

  std::uint64_t version = 0;
  std::uint64_t last_position = 0;

  bool ended_already() const { return ended.seen(); }
  // Somebody may be paying for it: from the moment the order may have been sent until it is
  // confirmed gone, refused or never made.
  bool MayCost() const;
  const StepState& At(Step step) const { return steps[static_cast<std::size_t>(step)]; }
  StepState& At(Step step) { return steps[static_cast<std::size_t>(step)]; }
  // On its way out, at once.
  bool Leaving() const { return cancel_wanted == "now" || cancel_set == "now"; }
  // A line of its own in the machines file: not while nobody knows whether it builds or what it
  // runs, nor once it is being given back.
  bool Registered() const {
    return !machine_line.empty() && system == System::kInstalled &&
           !At(eventpb::VALIDATE).Failed() && !Leaving();
  }
  // And a fresh build was done there since it booted.
  bool InService() const {
    return Registered() && At(eventpb::VALIDATE).Done() && !ended_already() &&
           At(eventpb::VALIDATE).done.position > At(eventpb::BOOT).done.position;
  }
};

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded);

// "in rescue", "booting", "in service": where it is in its life. README.md has all of them.
std::string StateText(const State& state);
std::string_view StepName(Step step);  // "prepare"
std::optional<Step> StepFromName(std::string_view name);

// The step whose outcome is the newest and a bad one; SERVER_STEP_UNSPECIFIED when that is none.
Step FailedStep(const State& state);

// What comes next on the way into service; SERVER_STEP_UNSPECIFIED when nothing does by itself.
Step NextStep(const State& state);
// What can be done, in the reader's words; "" in service and while something runs.
std::string NextText(const State& state);
// Goes on only after somebody has looked.
bool NeedsOperator(const State& state);

}  // namespace muster::server
