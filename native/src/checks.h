// Health checks on the event loop: connects, sends, waits for the end of an answer, and reports in batches.
#pragma once

#include <napi.h>
#include <netinet/in.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "check_http.h"
#include "check_ports.h"
#include "poller.h"
#include "util.h"

namespace beeline {

// How a check ended. src/health/wire/result.ts has the same names in the same order; test/native/checks.test.ts meets
// each.
enum class Outcome : uint32_t {
  kOk,
  kRefused,      // a reset or an ICMP error answered the first packet
  kReset,        // the connection was reset later
  kTimeout,      // not done in time
  kUnreachable,  // an ICMP error, or no route or neighbour: `errno` says which
  kForwarded,    // the real server forwards what is for the VIP: it does not have it
  kNotVip,       // the answer did not come from the VIP
  kClosed,       // the server closed the connection before the answer was complete
  kTooLong,      // the answer is longer than the limit
  kMalformed,    // the answer is not HTTP
  kNoPort,       // not made: no port is free
  kTooMany,      // not made: too many checks are in the air
  kError,        // not made, or ended, for a reason of this host: `errno` says which
  kCount,
};

// What ends a check, or one step of a dialogue.
struct Rule {
  enum class Kind : uint32_t { kConnected, kData, kHttp, kHttpHeaders, kSequence, kClose, kCount };
  Kind kind = Kind::kConnected;
  bool head = false;     // of HTTP: the request is HEAD
  std::string sequence;  // of kSequence
};

// A check as it is made again and again.
struct Job {
  uint8_t protocol = 0;  // IPPROTO_TCP, IPPROTO_UDP or IPPROTO_ICMP for an echo of either family
  bool to_vip = false;
  bool holds = false;        // the connection stays after the rule is met, until `proceed` or `end`
  bool wants_bytes = false;  // of the answer, in the result
  sockaddr_in6 local = {};   // or sockaddr_in, by sin6_family
  sockaddr_in6 remote = {};
  check entry = {};
  std::vector<uint8_t> send;
  Rule rule;
  uint32_t limit = 0;  // of the answer, in bytes
  uint32_t timeout_ms = 0;

  bool is_ipv6() const { return remote.sin6_family == AF_INET6; }
  bool is_ping() const { return protocol == IPPROTO_ICMP; }
};

class CheckLoop : public Napi::ObjectWrap<CheckLoop> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // ({table?: Mapping, firstPort, ports, limit}, onResults: (fields: Uint32Array, bytes: Uint8Array) => void)
  explicit CheckLoop(const Napi::CallbackInfo& info);
  ~CheckLoop() override;

 private:
  // One check in the air. Its number towards JavaScript holds its place and its generation.
  struct Flight {
    enum class State { kFree, kConnecting, kTalking, kHeld };
    State state = State::kFree;
    uint16_t generation = 0;
    uint16_t port = 0;  // of the pool, 0 for none
    bool is_raw = false;
    bool is_ready = false;  // its number is in ready_
    bool shut = false;      // the server has closed its side
    bool extended = false;  // it has got a second deadline, since the loop was late for the first
    bool answered = false;  // something came since the last step began
    int fd = -1;
    uint32_t job_number = 0;
    std::shared_ptr<const Job> job;
    std::optional<Rule> own_rule;  // of a dialogue's later steps
    std::optional<std::vector<uint8_t>> own_send;
    size_t sent = 0;
    uint64_t started_us = 0;
    uint64_t connected_us = 0;
    std::vector<uint8_t> received;
    size_t searched = 0;  // no sequence begins before
    std::optional<HttpScan> http;

    const Rule& rule() const { return own_rule ? *own_rule : job->rule; }
    const std::vector<uint8_t>& to_send() const { return own_send ? *own_send : job->send; }
  };
  struct Waiting {
    uint32_t number;
    std::shared_ptr<const Job> job;
  };
  struct FreeNumber {
    uint32_t number;
    std::weak_ptr<const Job> job;  // the last one
  };
  struct Deadline {
    uint64_t at_us;
    uint32_t flight;
    bool operator<(const Deadline& other) const { return at_us > other.at_us; }  // the soonest is the heap's top
  };
  // One result, as JavaScript reads it: Uint32Array. See FIELDS in src/health/wire/result.ts.
  struct Result {
    uint32_t job, outcome, error, connect_us, total_us, flight, bytes_offset, bytes_length, http_status, body_offset;
  };

  Napi::Value Define(const Napi::CallbackInfo& info);
  void Undefine(const Napi::CallbackInfo& info);
  void StartJobs(const Napi::CallbackInfo& info);
  Napi::Value Proceed(const Napi::CallbackInfo& info);
  Napi::Value End(const Napi::CallbackInfo& info);
  Napi::Value TakePort(const Napi::CallbackInfo& info);
  void ReleasePort(const Napi::CallbackInfo& info);
  Napi::Value IsForwarded(const Napi::CallbackInfo& info);
  Napi::Value IsAnswered(const Napi::CallbackInfo& info);
  Napi::Value Usage(const Napi::CallbackInfo& info);
  void SetReferenced(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void RequireOpen(Napi::Env env, const char* call) const;
  uint16_t PortArgument(const Napi::CallbackInfo& info) const;
  // Throws if it goes to a VIP and there is no table.
  std::shared_ptr<const Job> JobArgument(const Napi::CallbackInfo& info) const;

  // One turn of the event loop.
  void OnReadable();
  // Returns false if there may be more.
  bool HandleEvents();
  void OnEvent(uint32_t number, uint32_t events);
  void OnStreamEvent(uint32_t number, Flight& flight, uint32_t events);
  void OnFailedConnect(uint32_t number, Flight& flight);
  void EndOverdue();
  void SetDeadline(uint32_t number, uint64_t at_us);
  void ResumeReady();
  void OpenWaiting();
  void ArmTimer();
  // So that a turn comes although no descriptor is ready.
  void WantTurn();
  void Deliver();

  void Open(const Waiting& waiting);
  // Each returns 0 or an errno. `Connect` may try several ports: another program may have bound one.
  int MakeSocket(Flight& flight);
  int Bind(Flight& flight, uint16_t port);
  int BindToPool(Flight& flight, bool* no_port);
  int Connect(Flight& flight, uint32_t number);
  int SendEcho(Flight& flight, uint32_t number);

  void OnConnected(uint32_t number, Flight& flight);
  void OnFailed(uint32_t number, Flight& flight, int error);
  // Sends what is left. Returns false if the flight ended.
  bool Send(uint32_t number, Flight& flight);
  void Receive(uint32_t number, Flight& flight, bool may_be_shut);
  void ReceiveEcho(uint32_t number, Flight& flight);
  // Takes the error of a socket that is no stream. Returns false if the flight ended.
  bool TakeError(uint32_t number, Flight& flight);
  // The flight goes on in the next turn, without an event.
  void Resume(uint32_t number, Flight& flight);
  // Whether something came from where the check was to go.
  bool IsFromVip(const Flight& flight) const;
  // Looks whether the rule is met by what was received. Returns false if the flight ended or is held.
  bool Judge(uint32_t number, Flight& flight);
  void OnShut(uint32_t number, Flight& flight);
  // The first `consumed` bytes are the answer; what follows them is for the next step.
  void Met(uint32_t number, Flight& flight, size_t consumed);
  // Ends a flight: closes the socket by a reset, frees port and entry, and reports if `report`.
  void Finish(uint32_t number, Flight& flight, Outcome outcome, int error, bool report = true);
  void Report(const Flight& flight, Outcome outcome, int error, uint32_t number, size_t bytes);
  void ReportNotMade(uint32_t job, Outcome outcome, int error);
  void DropAll();

  Flight* Find(uint32_t number);
  uint32_t NumberOf(size_t place) const { return uint32_t{flights_[place].generation} << 16 | uint32_t(place); }

  libbpf::UniqueFd epoll_;
  libbpf::UniqueFd timer_;
  libbpf::UniqueFd kick_;
  libbpf::Poller* poller_ = nullptr;
  Napi::FunctionReference on_results_;
  std::unique_ptr<Napi::AsyncContext> async_context_;

  std::unique_ptr<CheckPorts> ports_;
  std::vector<std::shared_ptr<const Job>> jobs_;  // by number; empty where undefined
  std::deque<FreeNumber> free_jobs_;
  std::vector<Flight> flights_;
  std::vector<uint16_t> free_flights_;
  std::deque<Waiting> waiting_;
  std::vector<uint32_t> ready_;      // flights that go on without an event
  std::vector<Deadline> deadlines_;  // a heap; may have flights that ended already
  uint64_t armed_us_ = 0;            // 0: the timer is off
  bool in_turn_ = false;
  bool kicked_ = false;
  // While results are in JavaScript's hands; outlives the object.
  std::shared_ptr<bool> delivering_ = std::make_shared<bool>(false);
  std::vector<Result> results_;
  std::vector<uint8_t> result_bytes_;
  std::vector<uint8_t> buffer_;
};

}  // namespace beeline
