// Overloaded: builds one visitor for std::visit out of lambdas, one per alternative.
#pragma once

namespace muster {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace muster
