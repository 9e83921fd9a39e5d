#include "workers/ports/no_answer.h"

#include "eventstore/base/strings.h"
#include "workers/ports/provider.h"

namespace muster {

Status TroubleOfNoAnswer(MayHave effect, const Status& transport) {
  const std::string text = Ellipsize(Message(transport), kProviderMessageBytesMax);
  switch (transport.code()) {
    case StatusCode::kUnavailable:
      return MakeTrouble(Trouble::kUnavailable, text);
    case StatusCode::kInvalidArgument:
      return MakeTrouble(Trouble::kRejected, text);
    default:
      break;
  }
  const bool harmless = effect == MayHave::kDoneNothing;
  return MakeTrouble(harmless ? Trouble::kUnavailable : Trouble::kUnclear, text);
}

Status Nonsense(std::string_view what, std::string_view body) {
  return MakeTrouble(Trouble::kMalformed, Cat(what, " (", body.size(), " bytes)"));
}

}  // namespace muster
