// Recipes, third part: what makes a prepared machine start by itself. Loses nothing. Private to
// this folder. Pure.
#pragma once

#include <string>

#include "workers/servers/remote/recipe.h"

namespace muster::remote {

// Refuses what was not prepared by the plan `id`.
RemoteCommand BootMount(const Layout& layout, const std::string& id);
// What will have to prove itself, before it is too late.
RemoteCommand BootCheck(const InstallFacts& facts);
RemoteCommand BootMenu();
RemoteCommand BootLoader(const eventpb::DiskSeen& disk);
RemoteCommand BootUnmount();

}  // namespace muster::remote
