// AlertWatch: looks now and then at what muster shows and writes the conditions that a person
// should know of into the log, when they begin and when they end. Whether and to whom they are told
// is the Notifier's part; a restart neither repeats nor forgets one.
//
// Reactor thread; the ports must outlive it, and the Runtime's tasks be destroyed before it is.
#pragma once

#include <functional>
#include <string>

#include "commands/handler/handler.h"
#include "eventstore/base/runtime.h"
#include "services/notify/alert_rules.h"

namespace muster::notify {

struct AlertWatchOptions {
  AlertThresholds thresholds;
  absl::Duration every = absl::Seconds(15);
};

class AlertWatch {
 public:
  struct Ports {
    Runtime& rt;
    const EventStore& store;
    Handler& handler;
    std::function<AlertInputs()> inputs;
    // Called once when nothing can be written any more, with the reason.
    std::function<void(std::string why)> unwritable;
  };
  explicit AlertWatch(Ports ports, AlertWatchOptions options = {});

  // Spawn once, after Handler::Load. Ends only with the Runtime, or when the log cannot be read.
  Task<void> Run();

 private:
  Status Load();
  void LoadShort(const FleetName& fleet);
  Task<void> Look();

  const Ports ports_;
  const AlertWatchOptions options_;
  AlertBook book_;
  bool told_ = false;
};

}  // namespace muster::notify
