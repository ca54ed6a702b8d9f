// Health checks on the event loop; see checks.h.
#include "checks.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

#include "check_ping.h"
#include "error.h"

namespace beeline {

namespace {

using libbpf::BytesArgument;
using libbpf::IntegerValue;
using libbpf::Uint32Argument;

constexpr char kName[] = "health checks";

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint32_t kTimerEvent = UINT32_MAX;
constexpr uint32_t kKickEvent = UINT32_MAX - 1;

constexpr size_t kMaxFlights = 1 << 15;  // so that no number of a flight is one of the above
constexpr size_t kEventsAtOnce = 256;
constexpr int kRoundsInTurn = 4;  // so that other JavaScript runs too
// A socket takes about 10 µs to open: the rest waits for the next turn.
constexpr int kOpenInTurn = 64;
// A loop that looks at a deadline so late was stalled.
constexpr uint64_t kLateUs = 50'000;
constexpr int kBindAttempts = 8;
constexpr size_t kReadBytes = 1 << 16;
constexpr uint32_t kMaxLimit = 1 << 20;
constexpr size_t kMaxSend = 1 << 16;
constexpr size_t kKeptCapacity = 4096;  // of a flight's memory for its next use
constexpr size_t kResultFields = 10;

uint64_t Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_nsec) / 1000;
}

int ErrorOf(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

void SetOption(int fd, int level, int option, int value = 1) {
  // Of options that every kernel has. A check without one of them still says the truth.
  (void)setsockopt(fd, level, option, &value, sizeof value);
}

socklen_t LengthOf(const sockaddr_in6& address) {
  return address.sin6_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

// The port stands at the same place in both families' addresses.
const sockaddr* AsAddress(const sockaddr_in6& address) { return reinterpret_cast<const sockaddr*>(&address); }

Outcome OutcomeOf(int error) {
  switch (error) {
    case ECONNREFUSED:
      return Outcome::kRefused;
    case ECONNRESET:
    case EPIPE:
      // A reset that answers the first packet is ECONNREFUSED: there was a connection, seen here or not.
      return Outcome::kReset;
    case ETIMEDOUT:
      return Outcome::kTimeout;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENONET:
    case EACCES:  // ICMPv6: administratively prohibited
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EMSGSIZE:
      return Outcome::kUnreachable;
    default:
      return Outcome::kError;
  }
}

// Reads a property that has to be there.
Napi::Value Member(const Napi::Object& object, const char* name) { return object.Get(name); }

uint32_t NumberMember(const Napi::Object& object, const char* name, uint32_t low, uint32_t high) {
  return static_cast<uint32_t>(IntegerValue(object.Env(), Member(object, name), name, low, high));
}

std::span<const uint8_t> BytesMember(const Napi::Object& object, const char* name) {
  const Napi::Value value = Member(object, name);
  if (value.IsUndefined()) return {};
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    libbpf::ThrowType(object.Env(), std::string(name) + " must be a Uint8Array");
  }
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

std::span<const uint8_t> AddressMember(const Napi::Object& object, const char* name, size_t length) {
  const auto bytes = BytesMember(object, name);
  if (bytes.size() != length) {
    libbpf::ThrowRange(object.Env(), std::string(name) + " must have " + std::to_string(length) + " bytes");
  }
  return bytes;
}

sockaddr_in6 SocketAddress(std::span<const uint8_t> address, uint16_t port, uint32_t scope) {
  sockaddr_in6 result = {};
  if (address.size() == 16) {
    result.sin6_family = AF_INET6;
    result.sin6_port = htons(port);
    result.sin6_scope_id = scope;
    std::memcpy(&result.sin6_addr, address.data(), 16);
  } else {
    auto* ipv4 = reinterpret_cast<sockaddr_in*>(&result);
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(port);
    std::memcpy(&ipv4->sin_addr, address.data(), 4);
  }
  return result;
}

check EntryOf(std::span<const uint8_t> vip, std::span<const uint8_t> rip, std::span<const uint8_t> local,
              uint8_t protocol) {
  check entry = {};
  std::memcpy(entry.vip, vip.data(), vip.size());
  std::memcpy(entry.rip, rip.data(), rip.size());
  std::memcpy(entry.local, local.data(), local.size());
  entry.family = vip.size() == 16 ? 6 : 4;
  entry.protocol = protocol;
  return entry;
}

Rule RuleOf(const Napi::Object& object) {
  Rule rule;
  rule.kind = static_cast<Rule::Kind>(NumberMember(object, "kind", 0, static_cast<uint32_t>(Rule::Kind::kCount) - 1));
  rule.head = Member(object, "head").ToBoolean();
  const auto sequence = BytesMember(object, "sequence");
  rule.sequence.assign(sequence.begin(), sequence.end());
  if (rule.kind == Rule::Kind::kSequence && (sequence.empty() || sequence.size() > kMaxSend)) {
    libbpf::ThrowRange(object.Env(), "the sequence must have 1 to " + std::to_string(kMaxSend) + " bytes");
  }
  return rule;
}

std::vector<uint8_t> SendOf(const Napi::Object& object) {
  const auto send = BytesMember(object, "send");
  if (send.size() > kMaxSend) {
    libbpf::ThrowRange(object.Env(), "send has more than " + std::to_string(kMaxSend) + " bytes");
  }
  return {send.begin(), send.end()};
}

bool IsHttp(Rule::Kind kind) { return kind == Rule::Kind::kHttp || kind == Rule::Kind::kHttpHeaders; }

}  // namespace

void CheckLoop::Register(Napi::Env env, Napi::Object exports) {
  exports["CheckLoop"] = DefineClass(env, "CheckLoop",
                                     {
                                         InstanceMethod<&CheckLoop::Define>("define"),
                                         InstanceMethod<&CheckLoop::Undefine>("undefine"),
                                         InstanceMethod<&CheckLoop::StartJobs>("start"),
                                         InstanceMethod<&CheckLoop::Proceed>("proceed"),
                                         InstanceMethod<&CheckLoop::End>("end"),
                                         InstanceMethod<&CheckLoop::TakePort>("takePort"),
                                         InstanceMethod<&CheckLoop::ReleasePort>("releasePort"),
                                         InstanceMethod<&CheckLoop::IsForwarded>("isForwarded"),
                                         InstanceMethod<&CheckLoop::IsAnswered>("isAnswered"),
                                         InstanceMethod<&CheckLoop::Usage>("usage"),
                                         InstanceMethod<&CheckLoop::SetReferenced>("setReferenced"),
                                         InstanceMethod<&CheckLoop::Close>("close"),
                                     });
}

CheckLoop::CheckLoop(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CheckLoop>(info), buffer_(kReadBytes) {
  const Napi::Env env = info.Env();
  if (!info[0].IsObject()) libbpf::ThrowType(env, "options must be an object");
  if (!info[1].IsFunction()) libbpf::ThrowType(env, "onResults must be a function");
  const auto options = info[0].As<Napi::Object>();
  const uint32_t ports = NumberMember(options, "ports", 1, 1 << 15);
  const uint32_t first = NumberMember(options, "firstPort", 1024, (1 << 16) - ports);
  flights_.resize(NumberMember(options, "limit", 1, kMaxFlights));
  for (size_t i = flights_.size(); i-- > 0;) free_flights_.push_back(static_cast<uint16_t>(i));

  std::shared_ptr<libbpf::Mapping::Region> region;
  if (!Member(options, "table").IsUndefined()) {
    const auto& table = libbpf::Mapping::WritableArgument(env, Member(options, "table"), "table");
    if (table.visible_bytes < ports * sizeof(check)) libbpf::ThrowRange(env, "table has too few entries");
    region = table.region;
  }
  ports_ = std::make_unique<CheckPorts>(std::move(region), first, ports);

  epoll_ = libbpf::UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  timer_ = libbpf::UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  kick_ = libbpf::UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll_ || !timer_ || !kick_) libbpf::ThrowErrno(env, errno, "epoll_create1", kName);
  for (const auto& [fd, number] : {std::pair(timer_.get(), kTimerEvent), std::pair(kick_.get(), kKickEvent)}) {
    epoll_event event = {.events = EPOLLIN, .data = {.u32 = number}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) libbpf::ThrowErrno(env, errno, "epoll_ctl", kName);
  }
  const int error = libbpf::Poller::Start(env, epoll_.get(), [this] { OnReadable(); }, &poller_);
  if (error != 0) libbpf::ThrowErrno(env, error, "uv_poll_init", kName);
  on_results_ = Napi::Persistent(info[1].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "CheckLoop");
  Ref();  // keeps the garbage collector from ending the delivery before close
}

CheckLoop::~CheckLoop() {
  if (poller_ != nullptr) poller_->Stop();
  DropAll();
}

void CheckLoop::DropAll() {
  waiting_.clear();
  for (size_t i = 0; i < flights_.size(); i++) {
    if (flights_[i].state != Flight::State::kFree) Finish(NumberOf(i), flights_[i], Outcome::kError, 0, false);
  }
  results_.clear();
  result_bytes_.clear();
}

void CheckLoop::RequireOpen(Napi::Env env, const char* call) const {
  if (!epoll_) libbpf::ThrowClosed(env, call, kName);
}

std::shared_ptr<const Job> CheckLoop::JobArgument(const Napi::CallbackInfo& info) const {
  const Napi::Env env = info.Env();
  if (!info[0].IsObject()) libbpf::ThrowType(env, "job must be an object");
  const auto object = info[0].As<Napi::Object>();
  auto job = std::make_shared<Job>();
  job->protocol = static_cast<uint8_t>(NumberMember(object, "protocol", 1, UINT8_MAX));
  if (job->protocol != IPPROTO_TCP && job->protocol != IPPROTO_UDP && job->protocol != IPPROTO_ICMP) {
    libbpf::ThrowRange(env, "protocol must be 6, 17 or 1");
  }
  const size_t length = BytesMember(object, "rip").size() == 16 ? 16 : 4;
  const auto rip = AddressMember(object, "rip", length);
  const uint32_t scope = NumberMember(object, "scope", 0, INT32_MAX);
  const uint32_t port = job->is_ping() ? 0 : NumberMember(object, "port", 1, UINT16_MAX);
  job->remote = SocketAddress(rip, static_cast<uint16_t>(port), scope);
  const auto local = AddressMember(object, "local", length);
  job->local = SocketAddress(local, 0, scope);
  if (!Member(object, "vip").IsUndefined()) {
    if (!ports_->has_table()) libbpf::ThrowErrno(env, EOPNOTSUPP, "define", kName);
    const uint8_t on_wire = job->is_ping() && job->is_ipv6() ? uint8_t{IPPROTO_ICMPV6} : job->protocol;
    // The programs compare the address that packets have.
    if (std::ranges::all_of(local, [](uint8_t byte) { return byte == 0; })) {
      libbpf::ThrowRange(env, "a check of a VIP needs a local address");
    }
    job->entry = EntryOf(AddressMember(object, "vip", length), rip, local, on_wire);
    job->to_vip = true;
  }
  job->send = SendOf(object);
  job->rule = RuleOf(object);
  if (job->protocol != IPPROTO_TCP && job->rule.kind != Rule::Kind::kData) {
    libbpf::ThrowRange(env, "what is no connection ends by its first answer");
  }
  job->limit = NumberMember(object, "limit", 1, kMaxLimit);
  job->timeout_ms = NumberMember(object, "timeoutMs", 1, 3'600'000);
  job->holds = Member(object, "holds").ToBoolean() && !job->is_ping();
  job->wants_bytes = Member(object, "bytes").ToBoolean() || job->holds;
  return job;
}

Napi::Value CheckLoop::Define(const Napi::CallbackInfo& info) {
  RequireOpen(info.Env(), "define");
  auto job = JobArgument(info);
  // A number is used again when no result of its last job can come any more.
  if (free_jobs_.empty() || !free_jobs_.front().job.expired() || !results_.empty() || *delivering_) {
    jobs_.push_back(std::move(job));
    return Napi::Number::New(info.Env(), static_cast<double>(jobs_.size() - 1));
  }
  const uint32_t number = free_jobs_.front().number;
  free_jobs_.pop_front();
  jobs_[number] = std::move(job);
  return Napi::Number::New(info.Env(), number);
}

// What is in the air of the job goes on, and its results come.
void CheckLoop::Undefine(const Napi::CallbackInfo& info) {
  const uint32_t number = Uint32Argument(info, 0, "job");
  if (number >= jobs_.size() || jobs_[number] == nullptr) libbpf::ThrowRange(info.Env(), "no such job");
  free_jobs_.push_back({number, jobs_[number]});
  jobs_[number].reset();
}

void CheckLoop::StartJobs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  RequireOpen(env, "start");
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    libbpf::ThrowType(env, "jobs must be a Uint32Array");
  }
  const auto array = info[0].As<Napi::Uint32Array>();
  const std::span<const uint32_t> numbers(array.Data(), array.ElementLength());
  for (const uint32_t number : numbers) {
    if (number >= jobs_.size() || jobs_[number] == nullptr) libbpf::ThrowRange(env, "no such job");
  }
  for (const uint32_t number : numbers) {
    if (waiting_.size() < free_flights_.size()) {
      waiting_.push_back({number, jobs_[number]});
    } else {
      ReportNotMade(number, Outcome::kTooMany, 0);
    }
  }
  if (!in_turn_) {
    OpenWaiting();
    ArmTimer();
  }
  if (!waiting_.empty() || !results_.empty()) WantTurn();
}

// (flight, {kind, sequence?, head?, send?}): the next step of a dialogue. Returns false if the flight has ended.
Napi::Value CheckLoop::Proceed(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t number = Uint32Argument(info, 0, "flight");
  if (!info[1].IsObject()) libbpf::ThrowType(env, "step must be an object");
  const auto step = info[1].As<Napi::Object>();
  Rule rule = RuleOf(step);
  auto send = SendOf(step);
  Flight* flight = Find(number);
  if (flight == nullptr || flight->state != Flight::State::kHeld) return Napi::Boolean::New(env, false);
  if (flight->job->protocol != IPPROTO_TCP && rule.kind != Rule::Kind::kData) {
    libbpf::ThrowRange(env, "what is no connection ends by its first answer");
  }
  flight->own_rule = std::move(rule);
  flight->own_send = std::move(send);
  flight->sent = flight->searched = 0;
  flight->answered = false;
  flight->http.reset();
  flight->state = Flight::State::kTalking;
  Resume(number, *flight);  // what comes meanwhile raises no event
  WantTurn();
  return Napi::Boolean::New(env, true);
}

// Ends a flight without a result. Returns false if it has ended.
Napi::Value CheckLoop::End(const Napi::CallbackInfo& info) {
  const uint32_t number = Uint32Argument(info, 0, "flight");
  Flight* flight = Find(number);
  if (flight != nullptr) Finish(number, *flight, Outcome::kOk, 0, false);
  return Napi::Boolean::New(info.Env(), flight != nullptr);
}

// (vip, rip, local, protocol): a port for a socket that others make, 0 if none is free.
Napi::Value CheckLoop::TakePort(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  RequireOpen(env, "takePort");
  if (!ports_->has_table()) libbpf::ThrowErrno(env, EOPNOTSUPP, "takePort", kName);
  const auto vip = BytesArgument(info, 0, "vip");
  if (vip.size() != 4 && vip.size() != 16) libbpf::ThrowRange(env, "vip must have 4 or 16 bytes");
  const auto rip = BytesArgument(info, 1, "rip", vip.size());
  const auto local = BytesArgument(info, 2, "local", vip.size());
  const auto protocol = static_cast<uint8_t>(IntegerValue(env, info[3], "protocol", 1, UINT8_MAX));
  const check entry = EntryOf(vip, rip, local, protocol);
  return Napi::Number::New(env, ports_->Take(&entry, Now()));
}

uint16_t CheckLoop::PortArgument(const Napi::CallbackInfo& info) const {
  const uint32_t port = Uint32Argument(info, 0, "port");
  if (!ports_->IsTaken(port)) libbpf::ThrowRange(info.Env(), "port " + std::to_string(port) + " is not taken");
  return static_cast<uint16_t>(port);
}

void CheckLoop::ReleasePort(const Napi::CallbackInfo& info) {
  if (epoll_) ports_->Release(PortArgument(info), false, Now());
}

Napi::Value CheckLoop::IsForwarded(const Napi::CallbackInfo& info) {
  RequireOpen(info.Env(), "isForwarded");
  return Napi::Boolean::New(info.Env(), ports_->IsForwarded(PortArgument(info)));
}

Napi::Value CheckLoop::IsAnswered(const Napi::CallbackInfo& info) {
  RequireOpen(info.Env(), "isAnswered");
  return Napi::Boolean::New(info.Env(), ports_->IsAnswered(PortArgument(info)));
}

Napi::Value CheckLoop::Usage(const Napi::CallbackInfo& info) {
  auto usage = Napi::Object::New(info.Env());
  usage["inAir"] = flights_.size() - free_flights_.size();
  usage["waiting"] = waiting_.size();
  usage["portsFree"] = ports_->free();
  usage["portsTaken"] = ports_->taken();
  usage["portsResting"] = ports_->resting();
  usage["entries"] = ports_->written();
  return usage;
}

void CheckLoop::SetReferenced(const Napi::CallbackInfo& info) {
  if (poller_ != nullptr) poller_->SetReferenced(info[0].ToBoolean());
}

void CheckLoop::Close(const Napi::CallbackInfo&) {
  if (!epoll_) return;
  if (poller_ != nullptr) poller_->Stop();
  DropAll();
  epoll_.Reset();
  timer_.Reset();
  kick_.Reset();
  Unref();
}

CheckLoop::Flight* CheckLoop::Find(uint32_t number) {
  const size_t place = number & 0xffff;
  if (place >= flights_.size()) return nullptr;
  Flight& flight = flights_[place];
  return flight.state != Flight::State::kFree && flight.generation == number >> 16 ? &flight : nullptr;
}

void CheckLoop::OnReadable() {
  Napi::HandleScope scope(Env());
  in_turn_ = true;
  const bool all_handled = HandleEvents();
  ResumeReady();
  // An answer may have come in time and be looked at late.
  if (all_handled) EndOverdue();
  OpenWaiting();
  in_turn_ = false;
  ArmTimer();
  if (!waiting_.empty() || !ready_.empty()) WantTurn();
  Deliver();  // last: it may close this
}

bool CheckLoop::HandleEvents() {
  epoll_event events[kEventsAtOnce];
  for (int round = 0; round < kRoundsInTurn; round++) {
    const int count = epoll_wait(epoll_.get(), events, kEventsAtOnce, 0);
    for (int i = 0; i < count; i++) {
      uint64_t ignored;
      const uint32_t number = events[i].data.u32;
      if (number == kTimerEvent) {
        if (read(timer_.get(), &ignored, sizeof ignored) > 0) armed_us_ = 0;
      } else if (number == kKickEvent) {
        if (read(kick_.get(), &ignored, sizeof ignored) > 0) kicked_ = false;
      } else {
        OnEvent(number, events[i].events);
      }
    }
    if (count < static_cast<int>(kEventsAtOnce)) return true;
  }
  return false;
}

void CheckLoop::OnEvent(uint32_t number, uint32_t events) {
  Flight* flight = Find(number);
  if (flight == nullptr) return;  // ended earlier in this turn
  if (flight->job->protocol == IPPROTO_TCP) return OnStreamEvent(number, *flight, events);
  if (events & EPOLLERR && !TakeError(number, *flight)) return;
  // Held: it is read when it proceeds.
  if (flight->state == Flight::State::kTalking && events & EPOLLIN) Receive(number, *flight, false);
}

void CheckLoop::OnStreamEvent(uint32_t number, Flight& flight, uint32_t events) {
  constexpr uint32_t kShut = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if (flight.state == Flight::State::kHeld) return;  // it is read when it proceeds
  if (flight.state == Flight::State::kConnecting) {
    if (events & (EPOLLERR | EPOLLHUP)) return OnFailedConnect(number, flight);
    if (!(events & EPOLLOUT)) return;
    OnConnected(number, flight);
    if (Find(number) == nullptr || !(events & (EPOLLIN | EPOLLRDHUP))) return;
  } else if (events & EPOLLOUT && !(events & EPOLLERR) && flight.sent < flight.to_send().size()) {
    // The rule may be that all is sent.
    if (!Send(number, flight) || !Judge(number, flight)) return;
  }
  // What came before an error is read before it.
  if (flight.state == Flight::State::kTalking && events & (EPOLLIN | kShut)) {
    Receive(number, flight, (events & kShut) != 0);
  }
}

void CheckLoop::OnFailedConnect(uint32_t number, Flight& flight) {
  // The connection may have been made, and have got its answer, before it failed.
  uint8_t first;
  const ssize_t count = recv(flight.fd, &first, sizeof first, MSG_PEEK);
  if (count < 0) {
    int error = errno;
    // An ICMP error that came during the call of connect is told by SO_ERROR alone.
    if (error == EAGAIN || error == ENOTCONN) error = ErrorOf(flight.fd);
    return OnFailed(number, flight, error == 0 ? ECONNREFUSED : error);
  }
  flight.state = Flight::State::kTalking;
  flight.connected_us = Now();
  Receive(number, flight, true);
}

void CheckLoop::ResumeReady() {
  for (const uint32_t number : std::exchange(ready_, {})) {
    Flight* flight = Find(number);
    if (flight != nullptr) flight->is_ready = false;
    if (flight == nullptr || flight->state != Flight::State::kTalking) continue;
    if (flight->is_raw && !TakeError(number, *flight)) continue;
    // What followed the last answer comes first.
    if (!Send(number, *flight) || !Judge(number, *flight)) continue;
    if (flight->shut) {
      OnShut(number, *flight);
    } else {
      Receive(number, *flight, true);
    }
  }
}

void CheckLoop::EndOverdue() {
  const uint64_t now = Now();
  while (!deadlines_.empty()) {
    const auto [at_us, number] = deadlines_.front();
    Flight* flight = Find(number);
    if (flight != nullptr && at_us > now) return;
    std::pop_heap(deadlines_.begin(), deadlines_.end());
    deadlines_.pop_back();
    if (flight == nullptr) continue;
    const uint64_t timeout_us = uint64_t{flight->job->timeout_ms} * 1000;
    if (now - at_us > kLateUs && !flight->extended) {
      // This process did not run, so the answer could not be taken, nor the next request sent.
      flight->extended = true;
      SetDeadline(number, now + timeout_us);
    } else {
      Finish(number, *flight, Outcome::kTimeout, 0);
    }
  }
}

void CheckLoop::SetDeadline(uint32_t number, uint64_t at_us) {
  deadlines_.push_back({at_us, number});
  std::push_heap(deadlines_.begin(), deadlines_.end());
}

void CheckLoop::ArmTimer() {
  // Most flights end long before their deadline: drop what they left when it is the greater part.
  if (deadlines_.size() > 2 * (flights_.size() - free_flights_.size()) + 1024) {
    std::erase_if(deadlines_, [this](const Deadline& deadline) { return Find(deadline.flight) == nullptr; });
    std::make_heap(deadlines_.begin(), deadlines_.end());
  }
  if (deadlines_.empty()) return;
  // An alarm that comes too early, for a flight that ended, is set anew by the turn that it causes.
  const uint64_t at = deadlines_.front().at_us;
  if (armed_us_ != 0 && armed_us_ <= at) return;
  itimerspec alarm = {};
  alarm.it_value.tv_sec = static_cast<time_t>(at / 1'000'000);
  alarm.it_value.tv_nsec = static_cast<long>(at % 1'000'000) * 1000;
  if (timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &alarm, nullptr) == 0) armed_us_ = at;
}

void CheckLoop::WantTurn() {
  if (kicked_ || in_turn_) return;
  const uint64_t one = 1;
  kicked_ = write(kick_.get(), &one, sizeof one) > 0;
}

void CheckLoop::OpenWaiting() {
  for (int i = 0; i < kOpenInTurn && !waiting_.empty(); i++) {
    const Waiting waiting = std::move(waiting_.front());
    waiting_.pop_front();
    Open(waiting);
  }
}

void CheckLoop::Open(const Waiting& waiting) {
  const size_t place = free_flights_.back();
  free_flights_.pop_back();
  Flight& flight = flights_[place];
  const uint32_t number = NumberOf(place);
  flight.state = Flight::State::kConnecting;
  flight.job = waiting.job;
  flight.job_number = waiting.number;
  flight.started_us = Now();

  bool no_port = false;
  int error = MakeSocket(flight);
  if (error == 0) error = BindToPool(flight, &no_port);
  if (no_port) return Finish(number, flight, Outcome::kNoPort, error);
  // Before it connects an error is this host's.
  if (error != 0) return Finish(number, flight, Outcome::kError, error);
  error = Connect(flight, number);
  // The kernel does not tell an error that came during the call.
  if (error == 0 && flight.port != 0 && ports_->IsForwarded(flight.port)) error = EHOSTUNREACH;
  if (error != 0) return OnFailed(number, flight, error);
  SetDeadline(number, flight.started_us + uint64_t{flight.job->timeout_ms} * 1000);
  if (flight.job->protocol != IPPROTO_TCP) OnConnected(number, flight);
}

int CheckLoop::MakeSocket(Flight& flight) {
  const Job& job = *flight.job;
  const int family = job.is_ipv6() ? AF_INET6 : AF_INET;
  constexpr int kFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (job.is_ping()) {
    const int protocol = job.is_ipv6() ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP};
    flight.fd = socket(family, SOCK_DGRAM | kFlags, protocol);
    // Only groups in net.ipv4.ping_group_range may have the other kind; a raw socket sees other pings' packets.
    flight.is_raw = flight.fd < 0;
    if (flight.is_raw) flight.fd = socket(family, SOCK_RAW | kFlags, protocol);
    if (flight.is_raw && flight.fd >= 0 && FilterEchoReplies(flight.fd, job.is_ipv6()) != 0) return errno;
  } else {
    flight.fd = socket(family, (job.protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | kFlags, 0);
  }
  if (flight.fd < 0) return errno;
  if (job.protocol == IPPROTO_TCP) {
    // Ended by a reset: no TIME_WAIT here, so that the port can be used again.
    const linger reset = {1, 0};
    if (setsockopt(flight.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) return errno;
  } else if (job.is_ipv6()) {
    // Every ICMP error ends the check, not only that of a closed port.
    SetOption(flight.fd, SOL_IPV6, IPV6_RECVERR);
    // The programs take no fragments.
    SetOption(flight.fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
  } else {
    SetOption(flight.fd, SOL_IP, IP_RECVERR);
    SetOption(flight.fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  }
  return 0;
}

int CheckLoop::Bind(Flight& flight, uint16_t port) {
  sockaddr_in6 local = flight.job->local;
  // The kernel chooses the port when it connects, and may choose one that is used to another address.
  if (port == 0) SetOption(flight.fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT);
  local.sin6_port = flight.is_raw ? 0 : htons(port);
  return bind(flight.fd, AsAddress(local), LengthOf(local)) == 0 ? 0 : errno;
}

int CheckLoop::BindToPool(Flight& flight, bool* no_port) {
  const Job& job = *flight.job;
  // A raw socket's echo needs an identifier that no other has.
  if (!job.to_vip && !flight.is_raw) return Bind(flight, 0);
  int error = 0;
  for (int attempt = 0; attempt < kBindAttempts; attempt++) {
    flight.port = ports_->Take(job.to_vip ? &job.entry : nullptr, Now());
    if (flight.port == 0) break;
    error = Bind(flight, flight.port);
    if (error != EADDRINUSE) return error;
    ports_->Release(std::exchange(flight.port, 0), false, Now());
  }
  *no_port = true;
  return error;
}

int CheckLoop::Connect(Flight& flight, uint32_t number) {
  const sockaddr_in6& remote = flight.job->remote;
  if (connect(flight.fd, AsAddress(remote), LengthOf(remote)) != 0 && errno != EINPROGRESS) return errno;
  // Edge-triggered: one call for the whole life of the socket.
  const uint32_t events = flight.job->protocol == IPPROTO_TCP ? EPOLLIN | EPOLLOUT | EPOLLRDHUP : EPOLLIN;
  epoll_event event = {.events = events | EPOLLET, .data = {.u32 = number}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, flight.fd, &event) == 0 ? 0 : errno;
}

void CheckLoop::OnConnected(uint32_t number, Flight& flight) {
  flight.state = Flight::State::kTalking;
  const Job& job = *flight.job;
  if (job.protocol == IPPROTO_TCP) flight.connected_us = Now();
  // What is said in several pieces must not wait for acknowledgements.
  if (job.protocol == IPPROTO_TCP && (job.holds || job.send.size() > 1024)) {
    SetOption(flight.fd, IPPROTO_TCP, TCP_NODELAY);
  }
  if (job.is_ping()) {
    const int error = SendEcho(flight, number);
    if (error != 0) OnFailed(number, flight, error);
    return;
  }
  if (job.protocol == IPPROTO_UDP && job.send.empty() && send(flight.fd, nullptr, 0, MSG_NOSIGNAL) < 0) {
    return OnFailed(number, flight, errno);
  }
  if (Send(number, flight)) Judge(number, flight);
}

int CheckLoop::SendEcho(Flight& flight, uint32_t number) {
  const auto message = EchoRequest(flight.job->is_ipv6(), flight.port, number, flight.job->send);
  // A raw socket may have got the error of another's ping meanwhile, which the first call returns.
  for (int attempt = 0; attempt < (flight.is_raw ? 2 : 1); attempt++) {
    if (send(flight.fd, message.data(), message.size(), MSG_NOSIGNAL) >= 0) return 0;
  }
  return errno;
}

bool CheckLoop::Send(uint32_t number, Flight& flight) {
  const auto& bytes = flight.to_send();
  while (flight.sent < bytes.size() && !flight.job->is_ping()) {
    const ssize_t sent = send(flight.fd, bytes.data() + flight.sent, bytes.size() - flight.sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return true;
    if (sent < 0) {
      OnFailed(number, flight, errno);
      return false;
    }
    flight.sent += static_cast<size_t>(sent);
  }
  return true;
}

void CheckLoop::Receive(uint32_t number, Flight& flight, bool may_be_shut) {
  if (flight.job->is_ping()) return ReceiveEcho(number, flight);
  for (;;) {
    // One byte more than the limit tells that it is exceeded.
    const size_t room = std::min(kReadBytes, flight.job->limit + 1 - flight.received.size());
    const ssize_t count = recv(flight.fd, buffer_.data(), room, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) return OnFailed(number, flight, errno);
    const bool is_stream = flight.job->protocol == IPPROTO_TCP;
    if (count == 0 && is_stream) return OnShut(number, flight);
    flight.answered = true;  // a datagram may be empty
    flight.received.insert(flight.received.end(), buffer_.begin(), buffer_.begin() + count);
    if (!Judge(number, flight)) return;
    // A stream that gave less than it was asked for has no more, and raises an event when it has.
    if (is_stream && static_cast<size_t>(count) < room && !may_be_shut) return;
  }
}

void CheckLoop::ReceiveEcho(uint32_t number, Flight& flight) {
  const bool is_ipv6 = flight.job->is_ipv6();
  for (int i = 0; i < kEchoesAtOnce; i++) {
    const ssize_t count = recv(flight.fd, buffer_.data(), kReadBytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0 && !flight.is_raw) return OnFailed(number, flight, errno);
    if (count < 0) {
      // The error may be that of another's ping.
      if (!TakeError(number, flight)) return;
      continue;
    }
    if (IsEchoReply({buffer_.data(), static_cast<size_t>(count)}, is_ipv6, flight.is_raw && !is_ipv6,
                    flight.is_raw ? flight.port : 0, number, flight.job->send)) {
      return Finish(number, flight, Outcome::kOk, 0);
    }
  }
  Resume(number, flight);
}

bool CheckLoop::TakeError(uint32_t number, Flight& flight) {
  bool may_be_more = false;
  const int error =
      flight.is_raw ? TakeEchoError(flight.fd, flight.job->is_ipv6(), flight.port, &may_be_more) : ErrorOf(flight.fd);
  if (error != 0) {
    OnFailed(number, flight, error);
    return false;
  }
  if (may_be_more) Resume(number, flight);
  return true;
}

void CheckLoop::Resume(uint32_t number, Flight& flight) {
  if (!std::exchange(flight.is_ready, true)) ready_.push_back(number);
}

bool CheckLoop::Judge(uint32_t number, Flight& flight) {
  const Rule& rule = flight.rule();
  auto& received = flight.received;
  switch (rule.kind) {
    case Rule::Kind::kConnected:
      if (flight.sent < flight.to_send().size()) return true;
      Met(number, flight, received.size());
      return false;
    case Rule::Kind::kData:
      if (received.empty() && !flight.answered) break;
      Met(number, flight, received.size());
      return false;
    case Rule::Kind::kSequence: {
      const std::string_view text(reinterpret_cast<const char*>(received.data()), received.size());
      const size_t found = text.find(rule.sequence, flight.searched);
      if (found != std::string_view::npos) {
        Met(number, flight, found + rule.sequence.size());
        return false;
      }
      flight.searched = text.size() < rule.sequence.size() ? 0 : text.size() - rule.sequence.size() + 1;
      break;
    }
    case Rule::Kind::kHttp:
    case Rule::Kind::kHttpHeaders: {
      if (!flight.http) flight.http.emplace(rule.head, rule.kind == Rule::Kind::kHttpHeaders);
      const auto progress = flight.http->Feed(received);
      if (progress == HttpScan::Progress::kMalformed) {
        Finish(number, flight, Outcome::kMalformed, 0);
        return false;
      }
      if (progress == HttpScan::Progress::kComplete) {
        Met(number, flight, received.size());
        return false;
      }
      break;
    }
    case Rule::Kind::kClose:
    case Rule::Kind::kCount:
      break;
  }
  if (received.size() <= flight.job->limit) return true;
  Finish(number, flight, Outcome::kTooLong, 0);
  return false;
}

void CheckLoop::OnShut(uint32_t number, Flight& flight) {
  flight.shut = true;
  const Rule& rule = flight.rule();
  const bool complete =
      rule.kind == Rule::Kind::kClose || (IsHttp(rule.kind) && flight.http && flight.http->EndsByClose());
  if (complete) return Met(number, flight, flight.received.size());
  Finish(number, flight, Outcome::kClosed, 0);
}

void CheckLoop::OnFailed(uint32_t number, Flight& flight, int error) {
  Finish(number, flight, OutcomeOf(error), error);
}

void CheckLoop::Met(uint32_t number, Flight& flight, size_t consumed) {
  if (!flight.job->holds || !IsFromVip(flight)) return Finish(number, flight, Outcome::kOk, 0);
  flight.state = Flight::State::kHeld;
  Report(flight, Outcome::kOk, 0, number, consumed);
  flight.received.erase(flight.received.begin(), flight.received.begin() + static_cast<ptrdiff_t>(consumed));
}

bool CheckLoop::IsFromVip(const Flight& flight) const { return !flight.job->to_vip || ports_->IsAnswered(flight.port); }

void CheckLoop::Finish(uint32_t number, Flight& flight, Outcome outcome, int error, bool report) {
  if (outcome != Outcome::kOk && flight.port != 0 && ports_->IsForwarded(flight.port)) outcome = Outcome::kForwarded;
  if (outcome == Outcome::kOk && report && !IsFromVip(flight)) outcome = Outcome::kNotVip;
  if (report) Report(flight, outcome, error, kNone, flight.received.size());
  if (flight.fd >= 0) close(flight.fd);
  if (flight.port != 0) {
    const bool is_awaited = outcome != Outcome::kOk || (!report && flight.state != Flight::State::kHeld);
    const bool late_answers = flight.job->protocol != IPPROTO_TCP && is_awaited;
    ports_->Release(flight.port, late_answers, Now());
  }
  const auto generation = static_cast<uint16_t>(flight.generation + 1);
  auto received = std::move(flight.received);
  received.clear();
  if (received.capacity() > kKeptCapacity) received.shrink_to_fit();
  flight = Flight();
  flight.generation = generation;
  flight.received = std::move(received);
  free_flights_.push_back(static_cast<uint16_t>(number & 0xffff));
  if (report) WantTurn();
}

void CheckLoop::Report(const Flight& flight, Outcome outcome, int error, uint32_t number, size_t bytes) {
  const uint64_t now = Now();
  Result result = {};
  result.job = flight.job_number;
  result.outcome = static_cast<uint32_t>(outcome);
  result.error = static_cast<uint32_t>(error);
  result.connect_us = flight.connected_us == 0 ? kNone : static_cast<uint32_t>(flight.connected_us - flight.started_us);
  result.total_us = static_cast<uint32_t>(now - flight.started_us);
  result.flight = number;
  result.bytes_offset = static_cast<uint32_t>(result_bytes_.size());
  if (flight.job->wants_bytes) {
    const size_t length = std::min<size_t>(bytes, flight.job->limit);
    result.bytes_length = static_cast<uint32_t>(length);
    result_bytes_.insert(result_bytes_.end(), flight.received.begin(),
                         flight.received.begin() + static_cast<ptrdiff_t>(length));
  }
  if (flight.http) {
    result.http_status = flight.http->status();
    result.body_offset = static_cast<uint32_t>(flight.http->body_offset());
  }
  results_.push_back(result);
}

void CheckLoop::ReportNotMade(uint32_t job, Outcome outcome, int error) {
  Result result = {};
  result.job = job;
  result.outcome = static_cast<uint32_t>(outcome);
  result.error = static_cast<uint32_t>(error);
  result.connect_us = result.flight = kNone;
  results_.push_back(result);
}

// Uses only calls that report failure by their status: JavaScript may be ending (see Emit).
void CheckLoop::Deliver() {
  if (results_.empty()) return;
  const napi_env env = Env();
  const auto results = std::exchange(results_, {});
  const auto bytes = std::exchange(result_bytes_, {});
  static_assert(sizeof(Result) == kResultFields * sizeof(uint32_t));
  void* data = nullptr;
  napi_value memory = nullptr, fields = nullptr, blob_memory = nullptr, blob = nullptr;
  if (napi_create_arraybuffer(env, results.size() * sizeof(Result), &data, &memory) != napi_ok) return;
  std::memcpy(data, results.data(), results.size() * sizeof(Result));
  if (napi_create_arraybuffer(env, bytes.size(), &data, &blob_memory) != napi_ok) return;
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  if (napi_create_typedarray(env, napi_uint32_array, results.size() * kResultFields, memory, 0, &fields) != napi_ok ||
      napi_create_typedarray(env, napi_uint8_array, bytes.size(), blob_memory, 0, &blob) != napi_ok) {
    return;
  }
  // The object may be gone afterwards.
  const auto delivering = delivering_;
  *delivering = true;
  libbpf::Emit(env, *async_context_, on_results_, {fields, blob});
  *delivering = false;
}

}  // namespace beeline
