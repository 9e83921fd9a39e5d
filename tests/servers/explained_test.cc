// What `explain` tells of each command on dedicated servers, to its result, and of builds; compared
// to tests/golden/explain_servers.txt, written anew with MUSTER_UPDATE_GOLDEN=1.
#include <functional>

#include "queries/read_models.h"
#include "tests/stage/server_life.h"
#include "tests/stage/told.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using hetznersim::Trap;
using server::OrderPhase;

class Stage {
 public:
  Stage() { Begin(); }
  ~Stage() { rt.DestroyTasks(); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  void Begin() {
    life = std::make_unique<ServerLife>(rt, outside, log);
    EXPECT_THAT(rt.Run(life->Start()), IsOk());
  }
  void Crash() {
    rt.DestroyTasks();
    life.reset();
    Begin();
    hands().AsRequest(request);
  }
  void Pass(absl::Duration span) {
    for (absl::Duration done; done < span; done += absl::Seconds(10)) {
      rt.RunFor(absl::Seconds(10));
      outside.sim.Advance(rt.Now());
    }
  }
  template <class Predicate>
  void Until(Predicate holds, absl::Duration at_most = absl::Hours(1)) {
    for (absl::Duration done; done < at_most && !holds(); done += absl::Seconds(10)) {
      Pass(absl::Seconds(10));
    }
    EXPECT_TRUE(holds());
  }
  ServerHands& hands() { return life->hands(); }
  const server::State& State() { return hands().At(); }
  void Set(Trap trap, std::string endpoint = "", int times = 1) {
    outside.sim.SetFault({.trap = trap, .endpoint = std::move(endpoint), .times = times});
  }

  void Order() { EXPECT_THAT(rt.Run(hands().Order(ABuilder())), IsOk()); }
  void Delivered() {
    Order();
    Until([&] { return State().order_phase == OrderPhase::kDelivered; });
  }
  void Do(server::Step step) {
    EXPECT_THAT(rt.Run(hands().Step(step)), IsOk()) << server::StepName(step);
    Until([&] { return State().running == eventpb::SERVER_STEP_UNSPECIFIED; });
  }
  // Up to, and without, this step.
  void Before(server::Step step) {
    Delivered();
    while (server::NextStep(State()) != step) Do(server::NextStep(State()));
  }
  void Serving() {
    Before(eventpb::VALIDATE);
    Do(eventpb::VALIDATE);
    EXPECT_TRUE(State().InService());
  }
  // What the next command leads to is told as that of request r1.
  void AsRequest(std::string id) {
    request = std::move(id);
    hands().AsRequest(request);
  }
  std::string Told(const std::string& subject = "command/r1") {
    return ToldSteadily(life->store(), subject);
  }
  std::string Later() const {
    return absl::FormatTime("%Y-%m-%d", rt.Now() + absl::Hours(24 * 30), absl::UTCTimeZone());
  }

  VirtualRuntime rt{1};
  ServerOutside outside{rt};
  const std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  std::unique_ptr<ServerLife> life;
  std::string request;
};

std::string Ordered() {
  Stage s;
  s.AsRequest("r1");
  s.Delivered();
  return s.Told();
}

std::string OrderedWithoutAnswer() {
  Stage s;
  s.Set(Trap::kResetAfter, hetznersim::kOrderAuction);
  s.AsRequest("r1");
  s.Delivered();
  return s.Told();
}

std::string OrderedInVain() {
  Stage s;
  s.Set(Trap::kPriceRises, "", -1);
  s.AsRequest("r1");
  s.Order();
  s.Until([&] { return s.State().order_phase == OrderPhase::kRefused; });
  return s.Told();
}

std::string Stepped(server::Step step) {
  Stage s;
  s.Before(step);
  s.AsRequest("r1");
  s.Do(step);
  s.AsRequest("r2");
  if (step == eventpb::INSPECT) s.Do(eventpb::RESCUE);  // no doing of r1
  return s.Told();
}

std::string Rescued() {
  Stage s;
  s.Delivered();
  s.AsRequest("r1");
  s.Do(eventpb::RESCUE);
  return s.Told();
}

// muster dies while the machine boots: the reset is not asked for again.
std::string RescuedOverACrash() {
  Stage s;
  s.Delivered();
  s.AsRequest("r1");
  EXPECT_THAT(s.rt.Run(s.hands().Step(eventpb::RESCUE)), IsOk());
  s.Until([&] { return s.State().reset.seen(); });
  s.Crash();
  s.Until([&] { return s.State().running == eventpb::SERVER_STEP_UNSPECIFIED; });
  return s.Told();
}

std::string NotInstalled() {
  Stage s;
  s.Before(eventpb::PREPARE);
  s.outside.machines.Find(s.State().number)->disks[0].identity = "wwn-0xother";
  s.AsRequest("r1");
  s.Do(eventpb::PREPARE);
  return s.Told();
}

std::string GivenBack() {
  Stage s;
  s.Serving();
  s.AsRequest("r1");
  EXPECT_THAT(s.rt.Run(s.hands().Cancel("now")), IsOk());
  s.Until([&] { return s.State().ended_already(); });
  return s.Told();
}

std::string GivenBackUnderWay() {
  Stage s;
  s.Serving();
  s.AsRequest("r1");
  EXPECT_THAT(s.rt.Run(s.hands().Cancel("now")), IsOk());
  s.Until([&] { return !s.State().cancel_set.empty(); });
  return s.Told();
}

std::string CancelledAndRevoked(const std::string& of) {
  Stage s;
  s.Serving();
  s.AsRequest("r1");
  EXPECT_THAT(s.rt.Run(s.hands().Cancel(s.Later())), IsOk());
  s.Until([&] { return !s.State().cancel_set.empty(); });
  std::string told = s.Told();  // before it is revoked
  s.AsRequest("r2");
  EXPECT_THAT(s.rt.Run(s.hands().Revoke()), IsOk());
  s.Until([&] { return s.State().cancel_set.empty(); });
  if (of == "r1") return told + s.Told();
  return s.Told("command/r2");
}

std::string Built() {
  Stage s;
  s.Serving();
  return s.Told(Cat("build/", s.State().last_build));
}

std::string BuiltNowhere() {
  Stage s;
  s.Before(eventpb::VALIDATE);
  s.outside.nix.fault = "error: a 'x86_64-linux' with features {cuda} is required\n";
  s.Do(eventpb::VALIDATE);
  const std::string failed = s.State().last_build;
  s.outside.nix.fault.clear();
  s.Do(eventpb::VALIDATE);
  return s.Told(Cat("build/", failed));
}

struct Story {
  std::string name;
  std::function<std::string()> tell;
};
std::vector<Story> Stories() {
  return {{"order", Ordered},
          {"order-without-an-answer", OrderedWithoutAnswer},
          {"order-in-vain", OrderedInVain},
          {"rescue", Rescued},
          {"rescue-over-a-crash", RescuedOverACrash},
          {"inspect", [] { return Stepped(eventpb::INSPECT); }},
          {"install", [] { return Stepped(eventpb::PREPARE); }},
          {"install-on-other-disks", NotInstalled},
          {"boot", [] { return Stepped(eventpb::BOOT); }},
          {"register", [] { return Stepped(eventpb::REGISTER); }},
          {"validate", [] { return Stepped(eventpb::VALIDATE); }},
          {"cancel-now", GivenBack},
          {"cancel-now-under-way", GivenBackUnderWay},
          {"cancel-for-a-day", [] { return CancelledAndRevoked("r1"); }},
          {"revoke", [] { return CancelledAndRevoked("r2"); }},
          {"build", Built},
          {"build-that-nobody-did", BuiltNowhere}};
}

class ServerCommands : public ::testing::TestWithParam<Story> {};

TEST_P(ServerCommands, AreToldToTheirResult) {
  ExpectGolden("explain_servers.txt", GetParam().name, GetParam().tell());
}
INSTANTIATE_TEST_SUITE_P(Explain, ServerCommands, ::testing::ValuesIn(Stories()),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace muster
