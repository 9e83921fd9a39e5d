// Causes: whether everything that muster did to the outside can be traced to something it saw, or
// to somebody who asked. For scenarios and storms, at their end.
#pragma once

#include <string>

#include "eventstore/event_store.h"

namespace muster {

// The first launch, destruction, start or strike of the log whose evidence, followed event by
// event, reaches neither an observation nor an operator; "" when there is none. Evidence that names
// a later event, or none that exists, is none.
std::string DeedWithoutCause(const EventStore& store);

}  // namespace muster
