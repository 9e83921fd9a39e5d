// What is done to the weather of a seed so that an old bug has occasion to show. The program as it
// is stands every one of them.
#pragma once

#include "tests/storm/weather.h"

namespace muster::storm {

void Plain(Weather& weather);           // as drawn, but short
void UnclearRents(Weather& weather);    // many rents, the answers to which get lost
void CrashingRents(Weather& weather);   // many rents that take their time, and many crashes
void EndingCredit(Weather& weather);    // credit ends again and again, and machines go
void Throttled(Weather& weather);       // every fifth call comes too often
void TightAccount(Weather& weather);    // the account has less than its fleets want
void ForgetfulLists(Weather& weather);  // lists leave out one that is there, now and then
void BlankRows(Weather& weather);       // most rows and most logs tell nothing
void SilentLogs(Weather& weather);      // hardly a log can be read
void OfServers(Weather& weather);       // a server is ordered, installed, lost and given back

}  // namespace muster::storm
