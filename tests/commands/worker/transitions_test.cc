// The golden table of tests/golden/worker_transitions.txt: every phase with every event, and every
// phase with every command. A new transition shows up as a changed line in review.
// MUSTER_UPDATE_GOLDEN=1 writes the file anew.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "commands/worker/commands.h"
#include "tests/commands/given.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

struct Exemplar {
  std::string_view name;
  State state;
};

std::vector<Exemplar> Exemplars() {
  State unclear = LaunchingWorker();
  eventpb::LaunchUnclear lost;
  Given(unclear, {Wrap(lost)}, At(5));
  State answered = DestroyingWorker();
  Given(answered, {DestroyAnsweredWith(eventpb::DestroyAnswered::ACCEPTED)}, At(1001));
  std::vector<Exemplar> all;
  all.push_back({"NonExistent", NoWorker()});
  all.push_back({"Launching", LaunchingWorker()});
  all.push_back({"Launching(unclear)", unclear});
  all.push_back({"Live", LiveWorker()});
  all.push_back({"Destroying(in flight)", DestroyingWorker()});
  all.push_back({"Destroying(answered)", answered});
  all.push_back({"Ended", EndedWorker()});
  return all;
}

// One event of each kind, with the fields that matter set.
eventpb::EventBody ExampleOf(EventKind kind) {
  using B = eventpb::EventBody;
  if (kind == B::kLaunchRequested) return Wrap(Intent());
  if (kind == B::kLaunchAccepted) return Accepted();
  if (kind == B::kWorkerCondemned) return Wrap(Verdict());
  if (kind == B::kDestroyRequested) return DestroyAsked();
  if (kind == B::kInstanceObserved) return Wrap(MakeInstanceObserved(Running()));
  if (kind == B::kLogObserved) return Wrap(LogFacts("setup"));
  eventpb::EventBody body;
  const auto* field = B::descriptor()->FindFieldByNumber(kind);
  B::GetReflection()->MutableMessage(&body, field);
  if (kind == B::kWorkerAdopted) body.mutable_worker_adopted()->set_instance("i1");
  return body;
}

std::vector<std::pair<std::string, Command>> Commands() {
  eventpb::WorkerAdopted adoption;
  adoption.set_fleet("zeb");
  adoption.set_provider("vast");
  adoption.set_instance("i1");
  eventpb::WorkerHealthChanged healthy;
  healthy.set_health(eventpb::WorkerHealthChanged::HEALTHY);
  const absl::Time at = At(5000);
  return {
      {"RequestLaunch", RequestLaunch{Intent()}},
      {"Adopt", Adopt{adoption}},
      {"Condemn", Condemn{Verdict()}},
      {"RequestStart", RequestStart{Because("credit-back")}},
      {"ReportHealth", ReportHealth{healthy}},
      {"LaunchAnswered", LaunchAnswered{InstanceId("i1")}},
      {"LaunchRefused", LaunchRefused{eventpb::LaunchRejected::OFFER_GONE, ""}},
      {"LaunchLost", LaunchLost{"timeout"}},
      {"LaunchSettledAbsent", LaunchSettledAbsent{2, absl::Minutes(5)}},
      {"DestroyAnswer", DestroyAnswer{eventpb::DestroyAnswered::ACCEPTED, ""}},
      {"RetryDestroy", RetryDestroy{}},
      {"StartAnswer", StartAnswer{true, ""}},
      {"ObserveInstance", ObserveInstance{Running(), at}},
      {"ObserveAbsence", ObserveAbsence{false, at}},
      {"ObserveAbsence(definite)", ObserveAbsence{true, at}},
      {"ObserveLog", ObserveLog{LogFacts("setup"), at, TestTimers()}},
      {"ObserveFailure", ObserveFailure{"log", "timeout", at, 2}},
  };
}

std::string Table() {
  std::ostringstream out;
  out << "# phase + event -> phase; events that are not listed leave every phase as it is\n";
  for (const Exemplar& from : Exemplars()) {
    for (const EventKind kind : AllEventKinds()) {
      State state = from.state;
      Given(state, {ExampleOf(kind)}, At(6000));
      const std::string_view type = TypeName(kind);
      if (!type.starts_with("worker.")) {
        EXPECT_EQ(PhaseName(state.phase), PhaseName(from.state.phase)) << type;
        continue;
      }
      out << from.name << " + " << type << " -> " << PhaseName(state.phase) << "\n";
    }
  }
  out << "\n# phase + command -> events, or the refusal\n";
  for (const Exemplar& from : Exemplars()) {
    for (const auto& [name, command] : Commands()) {
      out << from.name << " + " << name << " -> " << Kinds(Decide(from.state, command, {At(5000)}))
          << "\n";
    }
  }
  return out.str();
}

TEST(WorkerTransitions, AreThoseOfTheGoldenTable) {
  const std::string path = SourceDir() + "/tests/golden/worker_transitions.txt";
  const std::string table = Table();
  if (std::getenv("MUSTER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << table;
  std::stringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(table, golden.str());
}

TEST(WorkerTransitions, TheTableHasEveryCommand) {
  std::set<std::size_t> seen;
  for (const auto& [name, command] : Commands()) seen.insert(command.index());
  EXPECT_EQ(seen.size(), std::variant_size_v<Command>);
}

}  // namespace
}  // namespace muster::worker
