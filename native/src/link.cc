// XDP links and queries; see link.h.
#include "link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <memory>

#include "addon.h"
#include "error.h"
#include "program.h"

namespace libbpf {

namespace {

std::string InterfaceName(uint32_t ifindex) { return "interface index " + std::to_string(ifindex); }

// tcx (linux/bpf.h since kernel 6.6), by its numbers: older headers and libbpf before 1.3 do not have it.
constexpr uint32_t kTcxIngress = 46;
constexpr uint32_t kTcxEgress = 47;
constexpr uint32_t kBefore = 1 << 3;  // BPF_F_BEFORE without another program: before all
constexpr uint32_t kAfter = 1 << 4;   // BPF_F_AFTER: after all
constexpr uint32_t kLinkTypeTcx = 11;

// The part of union bpf_attr that BPF_LINK_CREATE reads for tcx. Zeros behind what a kernel knows are no error.
struct TcxLinkCreate {
  uint32_t program_fd;
  uint32_t ifindex;
  uint32_t attach_type;
  uint32_t flags;
  uint32_t relative_fd;
  uint32_t zero;
  uint64_t expected_revision;
};

Napi::Value XdpQuery(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t ifindex = Uint32Argument(info, 0, "ifindex");
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  const int result = bpf_xdp_query(static_cast<int>(ifindex), 0, &query);
  if (result != 0) ThrowErrno(env, -result, "bpf_xdp_query", InterfaceName(ifindex));
  auto attached = Napi::Object::New(env);
  attached["native"] = query.drv_prog_id;
  attached["generic"] = query.skb_prog_id;
  attached["offload"] = query.hw_prog_id;
  return attached;
}

void XdpDetach(const Napi::CallbackInfo& info) {
  const uint32_t ifindex = Uint32Argument(info, 0, "ifindex");
  const int result = bpf_xdp_detach(static_cast<int>(ifindex), Uint32Argument(info, 1, "flags"), nullptr);
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_xdp_detach", InterfaceName(ifindex));
}

// (ifindex, isEgress): the ids of the programs that are attached by tcx, in the order in which packets meet them.
Napi::Value TcxQuery(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t ifindex = Uint32Argument(info, 0, "ifindex");
  const auto type = static_cast<bpf_attach_type>(info[1].ToBoolean() ? kTcxEgress : kTcxIngress);
  uint32_t ids[64];  // as many as the kernel allows (BPF_MPROG_MAX)
  uint32_t count = std::size(ids), flags = 0;
  const int result = bpf_prog_query(static_cast<int>(ifindex), type, 0, &flags, ids, &count);
  if (result != 0) ThrowErrno(env, -result, "bpf_prog_query", InterfaceName(ifindex));
  auto list = Napi::Array::New(env, count);
  for (uint32_t i = 0; i < count; i++) list[i] = ids[i];
  return list;
}

}  // namespace

void BpfLink::Register(Napi::Env env, Napi::Object exports) {
  const auto constructor = DefineClass(env, "BpfLink",
                                       {
                                           StaticMethod<&BpfLink::AttachXdp>("attachXdp"),
                                           StaticMethod<&BpfLink::AttachTcx>("attachTcx"),
                                           StaticMethod<&BpfLink::AttachCgroup>("attachCgroup"),
                                           StaticMethod<&BpfLink::OpenPinned>("openPinned"),
                                           StaticMethod<&BpfLink::OpenById>("openById"),
                                           StaticMethod<&BpfLink::NextId>("nextId"),
                                           InstanceMethod<&BpfLink::Info>("info"),
                                           InstanceMethod<&BpfLink::Update>("update"),
                                           InstanceMethod<&BpfLink::Detach>("detach"),
                                           InstanceMethod<&BpfLink::Pin>("pin"),
                                           InstanceMethod<&BpfLink::Close>("close"),
                                       });
  env.GetInstanceData<AddonData>()->link = Napi::Persistent(constructor);
  exports["BpfLink"] = constructor;
}

void RegisterXdp(Napi::Env env, Napi::Object exports) {
  exports["xdpQuery"] = Napi::Function::New<XdpQuery>(env, "xdpQuery");
  exports["tcxQuery"] = Napi::Function::New<TcxQuery>(env, "tcxQuery");
  exports["xdpDetach"] = Napi::Function::New<XdpDetach>(env, "xdpDetach");
}

BpfLink::BpfLink(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfLink>(info) {
  std::unique_ptr<Payload> payload(TakePayload<Payload>(info, "BpfLink"));
  fd_ = std::move(payload->fd);
  name_ = std::move(payload->name);
}

Napi::Value BpfLink::AttachXdp(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BpfProgram* program = ProgramArgument(info, 0);
  const uint32_t ifindex = Uint32Argument(info, 1, "ifindex");
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.flags = Uint32Argument(info, 2, "flags");
  UniqueFd fd(bpf_link_create(program->Fd(env, "bpf_link_create"), static_cast<int>(ifindex), BPF_XDP, &options));
  if (!fd) ThrowErrno(env, errno, "bpf_link_create", program->name() + " on " + InterfaceName(ifindex));
  return Construct(env, env.GetInstanceData<AddonData>()->link,
                   new Payload{std::move(fd), "link of " + program->name() + " on " + InterfaceName(ifindex)});
}

// (program, ifindex, isEgress, isLast)
Napi::Value BpfLink::AttachTcx(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BpfProgram* program = ProgramArgument(info, 0);
  const uint32_t ifindex = Uint32Argument(info, 1, "ifindex");
  TcxLinkCreate create = {};
  create.program_fd = static_cast<uint32_t>(program->Fd(env, "bpf_link_create"));
  create.ifindex = ifindex;
  create.attach_type = info[2].ToBoolean() ? kTcxEgress : kTcxIngress;
  create.flags = info[3].ToBoolean() ? kAfter : kBefore;
  UniqueFd fd(static_cast<int>(syscall(__NR_bpf, BPF_LINK_CREATE, &create, sizeof create)));
  if (!fd) ThrowErrno(env, errno, "bpf_link_create", program->name() + " on " + InterfaceName(ifindex));
  return Construct(env, env.GetInstanceData<AddonData>()->link,
                   new Payload{std::move(fd), "link of " + program->name() + " on " + InterfaceName(ifindex)});
}

// (program, path of the group's folder, enum bpf_attach_type)
Napi::Value BpfLink::AttachCgroup(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BpfProgram* program = ProgramArgument(info, 0);
  const std::string path = StringArgument(info, 1, "path");
  const auto type = static_cast<bpf_attach_type>(Uint32Argument(info, 2, "type"));
  UniqueFd group(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!group) ThrowErrno(env, errno, "open", path);
  UniqueFd fd(bpf_link_create(program->Fd(env, "bpf_link_create"), group.get(), type, nullptr));
  if (!fd) ThrowErrno(env, errno, "bpf_link_create", program->name() + " on " + path);
  return Construct(env, env.GetInstanceData<AddonData>()->link,
                   new Payload{std::move(fd), "link of " + program->name() + " on " + path});
}

Napi::Value BpfLink::OpenPinned(const Napi::CallbackInfo& info) {
  const std::string path = StringArgument(info, 0, "path");
  UniqueFd fd = OpenPinnedObject(info.Env(), path, "bpf-link");
  return Construct(info.Env(), info.Env().GetInstanceData<AddonData>()->link, new Payload{std::move(fd), path});
}

Napi::Value BpfLink::OpenById(const Napi::CallbackInfo& info) {
  const uint32_t id = Uint32Argument(info, 0, "id");
  const std::string name = "link id " + std::to_string(id);
  UniqueFd fd(bpf_link_get_fd_by_id(id));
  if (!fd) ThrowErrno(info.Env(), errno, "bpf_link_get_fd_by_id", name);
  return Construct(info.Env(), info.Env().GetInstanceData<AddonData>()->link, new Payload{std::move(fd), name});
}

// Returns the smallest link id above the given one; undefined after the last.
Napi::Value BpfLink::NextId(const Napi::CallbackInfo& info) {
  uint32_t next = 0;
  const int result = bpf_link_get_next_id(Uint32Argument(info, 0, "id"), &next);
  if (result == -ENOENT) return info.Env().Undefined();
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_link_get_next_id", "all links");
  return Napi::Number::New(info.Env(), next);
}

int BpfLink::Fd(Napi::Env env, const char* call) const {
  if (!fd_) ThrowClosed(env, call, name_);
  return fd_.get();
}

Napi::Value BpfLink::Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  bpf_link_info details = {};
  uint32_t length = sizeof details;
  if (bpf_obj_get_info_by_fd(Fd(env, "info"), &details, &length) != 0) {
    ThrowErrno(env, errno, "bpf_obj_get_info_by_fd", name_);
  }
  auto result = Napi::Object::New(env);
  result["id"] = details.id;
  result["type"] = details.type;
  result["programId"] = details.prog_id;
  // A tcx link's interface stands where an XDP link's does.
  result["ifindex"] = details.type == BPF_LINK_TYPE_XDP || details.type == kLinkTypeTcx ? details.xdp.ifindex : 0;
  return result;
}

void BpfLink::Update(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BpfProgram* program = ProgramArgument(info, 0);
  const int result = bpf_link_update(Fd(env, "bpf_link_update"), program->Fd(env, "bpf_link_update"), nullptr);
  if (result != 0) ThrowErrno(env, -result, "bpf_link_update", name_);
}

void BpfLink::Detach(const Napi::CallbackInfo& info) {
  const int result = bpf_link_detach(Fd(info.Env(), "bpf_link_detach"));
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_link_detach", name_);
}

void BpfLink::Pin(const Napi::CallbackInfo& info) {
  const std::string path = StringArgument(info, 0, "path");
  const int result = bpf_obj_pin(Fd(info.Env(), "bpf_obj_pin"), path.c_str());
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_obj_pin", path);
}

void BpfLink::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

}  // namespace libbpf
