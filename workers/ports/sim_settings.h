// A simulator's options by name, as texts (SimSpec::settings), for programs that know providers by
// name only. Pure.
//
//   static const auto* const kSetters = new SimSetters<Options>{
//       {"machines", SimNumber(&Options::machines)}, {"boot_min", SimSpan(&Options::boot_min)}};
//   MUSTER_RETURN_IF_ERROR(SetFrom(spec, *kSetters, options));
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "eventstore/base/strings.h"
#include "workers/ports/sim_server.h"

namespace muster {

// Its error is what was expected.
template <class Options>
using SimSetter = std::function<Status(Options&, const std::string&)>;
template <class Options>
using SimSetters = std::map<std::string, SimSetter<Options>>;

inline constexpr double kSimNumberMax = 1e12;

template <class Options, class T>
SimSetter<Options> SimNumber(T Options::* member, double max = kSimNumberMax) {
  const double most = std::min(max, static_cast<double>(std::numeric_limits<T>::max()));
  return [member, most](Options& options, const std::string& text) -> Status {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !(value >= 0 && value <= most)) {
      return InvalidArgument(Cat("a number from 0 to ", most));
    }
    options.*member = static_cast<T>(value);
    return {};
  };
}

template <class Options>
SimSetter<Options> SimFlag(bool Options::* member) {
  return [member](Options& options, const std::string& text) -> Status {
    return absl::SimpleAtob(text, &(options.*member)) ? Status() : InvalidArgument("true or false");
  };
}

inline Status ReadSimSpan(const std::string& text, absl::Duration& span) {
  absl::Duration read;
  if (!absl::ParseDuration(text, &read) || read < absl::ZeroDuration()) {
    return InvalidArgument("a duration, such as 90s or 2m");
  }
  span = read;
  return {};
}

template <class Options>
SimSetter<Options> SimSpan(absl::Duration Options::* member) {
  return [member](Options& options, const std::string& text) {
    return ReadSimSpan(text, options.*member);
  };
}

// Sets what `spec` names.
// kInvalidArgument  there is no such setting, or its text is none of what was expected
template <class Options>
Status SetFrom(const SimSpec& spec, const SimSetters<Options>& setters, Options& options) {
  for (const auto& [name, text] : spec.settings) {
    const auto setter = setters.find(name);
    if (setter == setters.end()) {
      std::string known;
      for (const auto& [one, unused] : setters) known += Cat(known.empty() ? "" : ", ", one);
      return InvalidArgument(Cat("unknown setting \"", name, "\"; there are: ", known));
    }
    const Status set = setter->second(options, text);
    if (!set.ok()) {
      return InvalidArgument(Cat(name, ": expected ", Message(set), ", not \"", text, "\""));
    }
  }
  return {};
}

}  // namespace muster
