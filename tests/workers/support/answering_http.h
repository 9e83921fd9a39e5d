// Answering: an HttpClient that gives the answers it was told, in turn, and keeps the requests.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "workers/ports/http.h"

namespace muster {

// REQUIRES: an answer for each request.
class Answering final : public HttpClient {
 public:
  Task<StatusOr<HttpResponse>> Send(HttpRequest request) override {
    requests.push_back(std::move(request));
    StatusOr<HttpResponse> answer = std::move(answers.front());
    answers.pop_front();
    co_return answer;
  }
  std::vector<HttpRequest> requests;
  std::deque<StatusOr<HttpResponse>> answers;
};

}  // namespace muster
