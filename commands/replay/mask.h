// Mask: what of the log may leave the installation. An allow-list: a text passes when its field is
// named in mask.cc, and then only in the shape that is given there; everything else is left out,
// fields of a newer muster too. Numbers, times and enums pass.
//
// What is left decides the same: ids that are no numbers become digests of themselves, words that
// are judged (a container's status) become the words that were judged, and a text of which only
// matters whether it is there becomes "[masked]". Not thread-safe: it learns names as it goes.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "commands/context.h"
#include "eventstore/base/ids.h"

namespace muster::replay {

class Mask {
 public:
  // `gpus` and `providers`: names of general knowledge.
  Mask(std::set<std::string> gpus, std::set<std::string> providers);

  // The event as it may leave, under its stream's masked name; nullopt when nothing is decided by
  // events of its kind. The events of a log, in their order.
  struct Masked {
    StreamId stream;
    eventpb::EventBody body;
  };
  std::optional<Masked> Event(const StreamId& stream, const eventpb::EventBody& body);

  // That there is this stream: its name may pass.
  void Know(const StreamId& stream) { (void)Stream(stream); }

  // A policy to be tried on masked events. Streams of its fleet were seen, or its name is masked.
  specpb::FleetSpec Policy(const specpb::FleetSpec& spec) const;

  // "policy:zeb@v12" -> "policy": who, not by name.
  static std::string Actor(std::string_view actor);

 private:
  friend class MaskWalker;
  std::string Text(std::string_view field, const std::string& value) const;
  std::string Label(const std::string& label, const std::string& fleet) const;
  std::string Name(const std::set<std::string>& known, const std::string& name) const;
  StreamId Stream(const StreamId& stream);

  const std::set<std::string> gpus_;
  std::set<std::string> providers_;
  std::set<std::string> fleets_, workers_;
  std::map<std::string, specpb::FleetSpec> specs_;  // as they are, to read labels by
};

}  // namespace muster::replay
