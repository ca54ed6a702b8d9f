// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The host's own connections to its VIPs (docs/adr/0035). The kernel cannot send packets to an address of its own, nor
 * take packets from there. So a connection to a service is, for the kernel, one to the VIP's stand-in: programs of the
 * cgroup exchange the address when a program of the host connects, and whenever it asks for its addresses. Stand-ins
 * are reached by one end of a veth. There the VIP and the host's address get their places back, and at the other end
 * the director meets the packets as it meets all others. Real servers answer the host; on the way in, the answer
 * becomes one of the stand-in.
 *
 * Nothing is remembered of connections: each VIP has one stand-in.
 */
#include "host.h"
#include "rewrite.h"

#define TC_ACT_SHOT 2

/* RFC 9293, 3.1 */
#define TCP_FLAGS_AT 13
#define TCP_SYN 0x02

/* linux/socket.h */
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define AF_INET 2
#define AF_INET6 10

char _license[] SEC("license") = "Dual MIT/GPL";

/* VIPs and services; the sizes are limits, entries are made when they are needed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18);
	__type(key, struct host_key);
	__type(value, struct host_value);
} host_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct host_vip);
} host_vips SEC(".maps");

/* Answers in fragments: only the first one says which service it is of. */
struct host_fragment {
	__u32 source[4];
	__u32 destination[4];
	__u32 id;
	__u32 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct host_fragment);
	__type(value, __u32);
} host_fragments SEC(".maps");

struct host host SEC(".data.host");

/* Never read: brings the numbers to user space. */
const volatile enum host_number host_number = HOST_ITSELF;

/* Whether an address may be a VIP: most are told by one look. */
static __always_inline bool may_be_vip(const __u32 *address, bool is_ipv6)
{
	__u64 word =
		is_ipv6 ? ((__u64)address[0] << 32 | address[1]) ^ ((__u64)address[2] << 32 | address[3]) : address[0];
	__u64 hash = word * 0x9e3779b97f4a7c15;

	return host.filter[hash >> 58] >> (hash >> 52 & 63) & 1;
}

/* Returns the number of a VIP; 0 if it is none. */
static __always_inline __u32 vip_number(const struct address *address, bool is_ipv6)
{
	struct host_key key = {.family = is_ipv6 ? 6 : 4};

	if (!may_be_vip(address->words, is_ipv6))
		return 0;
	__builtin_memcpy(key.address, address, sizeof(key.address));
	const struct host_value *value = bpf_map_lookup_elem(&host_services, &key);
	return value ? value->number : 0;
}

/* Returns what is known of a service; NULL if there is none. */
static __always_inline const struct host_value *service_at(const struct address *address, __be16 port, __u8 protocol,
							   bool is_ipv6)
{
	struct host_key key = {.port = port, .protocol = protocol, .family = is_ipv6 ? 6 : 4};

	if (!may_be_vip(address->words, is_ipv6))
		return NULL;
	__builtin_memcpy(key.address, address, sizeof(key.address));
	const struct host_value *value = bpf_map_lookup_elem(&host_services, &key);
	if (!value) {
		key.port = 0;
		value = bpf_map_lookup_elem(&host_services, &key);
	}
	return value;
}

/* Returns the number of the VIP that has a service, or had; 0 if there is none. */
static __always_inline __u32 service_number(const struct address *address, __be16 port, __u8 protocol, bool is_ipv6)
{
	const struct host_value *value = service_at(address, port, protocol, is_ipv6);

	return value ? value->number : 0;
}

static __always_inline struct address stand_in(__u32 number, bool is_ipv6)
{
	if (is_ipv6)
		return (struct address){
			{bpf_htonl(HOST_STAND_IN6_FIRST), 0, bpf_htonl(HOST_STAND_IN6_THIRD), bpf_htonl(number)}};
	return (struct address){{bpf_htonl(HOST_STAND_IN4 | number), 0, 0, 0}};
}

/* Returns the number of a stand-in; 0 if it is none. */
static __always_inline __u32 stand_in_number(const struct address *address, bool is_ipv6)
{
	const __u32 *words = address->words;

	if (is_ipv6)
		return words[0] == bpf_htonl(HOST_STAND_IN6_FIRST) && words[1] == 0 &&
				       words[2] == bpf_htonl(HOST_STAND_IN6_THIRD)
			       ? bpf_ntohl(words[3])
			       : 0;
	__u32 number = bpf_ntohl(words[0]) ^ HOST_STAND_IN4;
	return number >> 16 ? 0 : number;
}

/* Returns the VIP of a stand-in's number, or NULL. */
static __always_inline const struct host_vip *vip_of(__u32 number, bool is_ipv6)
{
	const struct host_vip *vip = number ? bpf_map_lookup_elem(&host_vips, &number) : NULL;

	return vip && vip->family == (is_ipv6 ? 6 : 4) ? vip : NULL;
}

static __always_inline struct address own_address(bool is_ipv6)
{
	return is_ipv6 ? copy_of(host.address6) : copy_of(host.address4);
}

/* The address that a program of the host gave, or gets. An IPv6 socket may mean an IPv4 address. */
struct named {
	struct address address;
	bool is_ipv6;
};

static __always_inline struct named named_by(const struct bpf_sock_addr *context, bool is_ipv6_socket)
{
	struct named named = {};

	if (!is_ipv6_socket) {
		named.address.words[0] = context->user_ip4;
		return named;
	}
	__u32 first = context->user_ip6[0], second = context->user_ip6[1];
	__u32 third = context->user_ip6[2], fourth = context->user_ip6[3];
	if (!(first | second) && third == bpf_htonl(0xffff)) {
		named.address.words[0] = fourth;
		return named;
	}
	named.is_ipv6 = true;
	named.address = (struct address){{first, second, third, fourth}};
	return named;
}

static __always_inline void rename(struct bpf_sock_addr *context, const struct named *named,
				   const struct address *address, bool is_ipv6_socket)
{
	if (!is_ipv6_socket) {
		context->user_ip4 = address->words[0];
		return;
	}
	if (!named->is_ipv6) {
		context->user_ip6[3] = address->words[0];
		return;
	}
	context->user_ip6[0] = address->words[0];
	context->user_ip6[1] = address->words[1];
	context->user_ip6[2] = address->words[2];
	context->user_ip6[3] = address->words[3];
}

static __always_inline bool is_in_this_network(struct bpf_sock_addr *context)
{
	return bpf_get_netns_cookie(context) == host.netns_cookie;
}

/* Whether a program chose address or interface that its packets leave by: the stand-in cannot be reached from there. */
static __always_inline bool is_bound(struct bpf_sock_addr *context, bool is_ipv6)
{
	struct bpf_sock *sk = context->sk;

	if (!sk)
		return false;
	if (sk->bound_dev_if)
		return true;
	if (is_ipv6) {
		struct address source = {{sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]}};

		return (source.words[0] | source.words[1] | source.words[2] | source.words[3]) &&
		       stand_in_number(&source, true) != HOST_ITSELF;
	}
	struct address source = {{sk->src_ip4}};
	return source.words[0] && stand_in_number(&source, false) != HOST_ITSELF;
}

/* Of a connection to a service: to the VIP's stand-in. All others go on as they are. */
static __always_inline int to_stand_in(struct bpf_sock_addr *context, bool is_ipv6_socket)
{
	struct named named = named_by(context, is_ipv6_socket);

	if (likely(!may_be_vip(named.address.words, named.is_ipv6)) || !is_in_this_network(context))
		return 1;
	__u8 protocol = context->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	if (context->protocol != protocol || is_bound(context, named.is_ipv6))
		return 1;
	const struct host_value *service =
		service_at(&named.address, (__be16)context->user_port, protocol, named.is_ipv6);
	if (service && service->is_asked) {
		struct address to = stand_in(service->number, named.is_ipv6);

		rename(context, &named, &to, is_ipv6_socket);
	}
	return 1;
}

/* Of an address that is told to a program: what it stands for. */
static __always_inline int to_meant(struct bpf_sock_addr *context, bool is_ipv6_socket)
{
	struct named named = named_by(context, is_ipv6_socket);
	__u32 number = stand_in_number(&named.address, named.is_ipv6);

	if (likely(!number) || !is_in_this_network(context))
		return 1;
	const struct host_vip *vip = vip_of(number, named.is_ipv6);
	struct address to = number == HOST_ITSELF ? own_address(named.is_ipv6)
			    : vip                 ? copy_of(vip->address)
						  : named.address;

	rename(context, &named, &to, is_ipv6_socket);
	return 1;
}

SEC("cgroup/connect4")
int host_connect4(struct bpf_sock_addr *context)
{
	return to_stand_in(context, false);
}

SEC("cgroup/connect6")
int host_connect6(struct bpf_sock_addr *context)
{
	return to_stand_in(context, true);
}

SEC("cgroup/sendmsg4")
int host_sendmsg4(struct bpf_sock_addr *context)
{
	return to_stand_in(context, false);
}

SEC("cgroup/sendmsg6")
int host_sendmsg6(struct bpf_sock_addr *context)
{
	return to_stand_in(context, true);
}

SEC("cgroup/recvmsg4")
int host_recvmsg4(struct bpf_sock_addr *context)
{
	return to_meant(context, false);
}

SEC("cgroup/recvmsg6")
int host_recvmsg6(struct bpf_sock_addr *context)
{
	return to_meant(context, true);
}

SEC("cgroup/getpeername4")
int host_peername4(struct bpf_sock_addr *context)
{
	return to_meant(context, false);
}

SEC("cgroup/getpeername6")
int host_peername6(struct bpf_sock_addr *context)
{
	return to_meant(context, true);
}

SEC("cgroup/getsockname4")
int host_sockname4(struct bpf_sock_addr *context)
{
	return to_meant(context, false);
}

SEC("cgroup/getsockname6")
int host_sockname6(struct bpf_sock_addr *context)
{
	return to_meant(context, true);
}

/* What of a packet the programs on interfaces look at. */
struct view {
	struct address source, destination;
	__u32 network, transport; /* where the headers begin */
	__u32 id;                 /* of a fragment */
	__be16 ports[2];
	__u8 protocol;
	bool first; /* of several fragments */
	bool later;
	__u8 type; /* of an ICMP message */
};

static __always_inline bool is_transport(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* Reads an IPv4 header, the packet's or one that an ICMP error quotes. False for what is left alone. */
static __always_inline bool view4(struct __sk_buff *skb, __u32 network, struct view *view)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, network, &ip, sizeof(ip)) || *(const __u8 *)&ip != PLAIN_IPV4)
		return false;
	view->network = network;
	view->transport = network + sizeof(ip);
	view->source = (struct address){{ip.saddr, 0, 0, 0}};
	view->destination = (struct address){{ip.daddr, 0, 0, 0}};
	view->protocol = ip.protocol;
	view->id = ip.id;
	view->later = ip.frag_off & bpf_htons(FRAGMENT_OFFSET);
	view->first = !view->later && ip.frag_off & bpf_htons(FRAGMENT);
	return true;
}

/* The same of IPv6, with no other extension header than that of a fragment. */
static __always_inline bool view6(struct __sk_buff *skb, __u32 network, struct view *view)
{
	struct ipv6hdr ip6;
	struct {
		__u8 next, reserved;
		__be16 offset;
		__be32 id;
	} fragment;

	if (bpf_skb_load_bytes(skb, network, &ip6, sizeof(ip6)))
		return false;
	view->network = network;
	view->transport = network + sizeof(ip6);
	view->source = copy_of(ip6.saddr.in6_u.u6_addr32);
	view->destination = copy_of(ip6.daddr.in6_u.u6_addr32);
	view->protocol = ip6.nexthdr;
	if (ip6.nexthdr != IPPROTO_FRAGMENT)
		return true;
	if (bpf_skb_load_bytes(skb, view->transport, &fragment, sizeof(fragment)))
		return false;
	view->transport += sizeof(fragment);
	view->protocol = fragment.next;
	view->id = fragment.id;
	view->later = fragment.offset & bpf_htons(0xfff8);
	view->first = !view->later && fragment.offset;
	return true;
}

static __always_inline bool view_at(struct __sk_buff *skb, __u32 network, struct view *view, bool is_ipv6)
{
	if (!(is_ipv6 ? view6(skb, network, view) : view4(skb, network, view)))
		return false;
	if (view->later)
		return true;
	/* Of ICMP: type, code and checksum. */
	if (bpf_skb_load_bytes(skb, view->transport, view->ports, sizeof(view->ports)))
		return false;
	view->type = *(const __u8 *)view->ports;
	return true;
}

/* Where the IP header begins. */
static __always_inline __u32 network_of(struct __sk_buff *skb, bool is_ipv6)
{
	__u16 start[8];

	if (bpf_skb_load_bytes(skb, 0, start, sizeof(start)))
		return sizeof(struct ethhdr);
	return is_bare(start, skb->len, is_ipv6) ? 0 : sizeof(struct ethhdr);
}

/* Whether an ICMP message quotes the packet that it is about. */
static __always_inline bool is_error(const struct view *view, bool is_ipv6)
{
	if (view->later || view->first)
		return false;
	if (is_ipv6)
		return view->protocol == IPPROTO_ICMPV6 && view->type >= ICMPV6_DEST_UNREACH &&
		       view->type <= ICMPV6_PARAMPROB;
	return view->protocol == IPPROTO_ICMP && (view->type == ICMP_DEST_UNREACH || view->type == ICMP_TIME_EXCEEDED ||
						  view->type == ICMP_PARAMETERPROB);
}

/* Which addresses a program exchanges. */
enum exchange {
	EXCHANGE_OUT,    /* stand-ins for what they stand for */
	EXCHANGE_BACK,   /* VIP and host for their stand-ins */
	EXCHANGE_ENTER,  /* the host for the client that its own service sees */
	EXCHANGE_ANSWER, /* VIP and that client for their stand-ins */
};

static __always_inline bool is_own(const struct address *address, bool is_ipv6)
{
	return is_ipv6 ? same(address->words, host.address6, true) : same(address->words, host.address4, false);
}

static __always_inline struct address client_stand_in(bool is_ipv6)
{
	if (is_ipv6)
		return (struct address){{bpf_htonl(HOST_STAND_IN6_FIRST), 0, bpf_htonl(HOST_CLIENT6_THIRD),
					 bpf_htonl(HOST_CLIENT6_FOURTH)}};
	return (struct address){{bpf_htonl(HOST_CLIENT4), 0, 0, 0}};
}

/* Exchanges an address; the same where there is nothing to exchange. */
static __always_inline struct address exchanged(const struct address *address, enum exchange exchange, bool is_ipv6)
{
	struct address client = client_stand_in(is_ipv6);
	__u32 number;

	switch (exchange) {
	case EXCHANGE_OUT:
		number = stand_in_number(address, is_ipv6);
		if (number == HOST_ITSELF)
			return own_address(is_ipv6);
		const struct host_vip *vip = vip_of(number, is_ipv6);
		return vip ? copy_of(vip->address) : *address;
	case EXCHANGE_ENTER:
		return is_own(address, is_ipv6) ? client : *address;
	case EXCHANGE_ANSWER:
		if (same(address->words, client.words, is_ipv6))
			return stand_in(HOST_ITSELF, is_ipv6);
		break;
	case EXCHANGE_BACK:
		if (is_own(address, is_ipv6))
			return stand_in(HOST_ITSELF, is_ipv6);
		break;
	}
	number = vip_number(address, is_ipv6);
	return number ? stand_in(number, is_ipv6) : *address;
}

/* Writes the addresses of a header. `transport` and `protocol` are those whose checksum covers them; -1: none. */
static __always_inline void write_addresses(struct __sk_buff *skb, __u32 network, __u32 transport, __u8 protocol,
					    struct view *from, struct address *source, struct address *destination,
					    bool is_ipv6, __u64 pseudo)
{
	const __u32 source_at = is_ipv6 ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr);
	const __u32 destination_at = is_ipv6 ? offsetof(struct ipv6hdr, daddr) : offsetof(struct iphdr, daddr);

	if (!same(source->words, from->source.words, is_ipv6))
		replace(skb, network, source_at, transport, protocol, from->source.words, source->words, is_ipv6,
			pseudo);
	if (!same(destination->words, from->destination.words, is_ipv6))
		replace(skb, network, destination_at, transport, protocol, from->destination.words, destination->words,
			is_ipv6, pseudo);
}

/*
 * Exchanges the addresses of a packet, and those of the packet that an ICMP error quotes. Global, and so verified once.
 * `override`: the number of the stand-in that the packet is from in any case; 0: none.
 */
static __always_inline int exchange_all(struct __sk_buff *skb, enum exchange exchange, __u32 override, bool inbound,
					bool is_ipv6)
{
	struct view view = {}, inner = {};
	const __u64 pseudo = is_ipv6 && inbound ? 0 : BPF_F_PSEUDO_HDR;

	if (!view_at(skb, network_of(skb, is_ipv6), &view, is_ipv6))
		return 0;
	bool error = is_error(&view, is_ipv6);
	struct address source = override ? stand_in(override, is_ipv6) : exchanged(&view.source, exchange, is_ipv6);
	struct address destination = exchanged(&view.destination, exchange, is_ipv6);
	/* A later fragment has no checksum. */
	write_addresses(skb, view.network, view.transport, view.later ? 0 : view.protocol, &view, &source, &destination,
			is_ipv6, pseudo);
	if (!error || !view_at(skb, view.transport + ICMP_HEADER_BYTES, &inner, is_ipv6))
		return 1;
	source = exchanged(&inner.source, exchange, is_ipv6);
	destination = exchanged(&inner.destination, exchange, is_ipv6);
	write_addresses(skb, inner.network, view.transport, is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, &inner, &source,
			&destination, is_ipv6, 0);
	return 1;
}

__noinline int exchange4(struct __sk_buff *skb, __u32 exchange, __u32 override)
{
	return exchange_all(skb, exchange, override, false, false);
}

__noinline int exchange6(struct __sk_buff *skb, __u32 exchange, __u32 override, __u32 inbound)
{
	return exchange_all(skb, exchange, override, inbound, true);
}

/* The host's packets to stand-ins leave for the director. Nothing else leaves this way. */
SEC("tc")
int host_out(struct __sk_buff *skb)
{
	struct view view = {};
	bool is_ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);

	if (!is_ipv6 && skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_SHOT;
	if (!(is_ipv6 ? view6(skb, sizeof(struct ethhdr), &view) : view4(skb, sizeof(struct ethhdr), &view)) ||
	    !vip_of(stand_in_number(&view.destination, is_ipv6), is_ipv6))
		return TC_ACT_SHOT;
	/* A container's that is not masqueraded: real servers would answer to an address that nobody leads here. */
	if (stand_in_number(&view.source, is_ipv6) != HOST_ITSELF)
		return TC_ACT_SHOT;
	if (is_ipv6)
		exchange6(skb, EXCHANGE_OUT, 0, false);
	else
		exchange4(skb, EXCHANGE_OUT, 0);
	return NEXT;
}

/* Whether a socket is connected to the VIP itself: it was before its service, or its program chose the way. */
static __always_inline bool is_direct(struct __sk_buff *skb, const struct view *view, bool is_ipv6)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = is_ipv6 ? sizeof(tuple.ipv6) : sizeof(tuple.ipv4);
	bool direct;

	if (is_ipv6) {
		__builtin_memcpy(tuple.ipv6.saddr, &view->source, 16);
		__builtin_memcpy(tuple.ipv6.daddr, &view->destination, 16);
		tuple.ipv6.sport = view->ports[0];
		tuple.ipv6.dport = view->ports[1];
	} else {
		tuple.ipv4.saddr = view->source.words[0];
		tuple.ipv4.daddr = view->destination.words[0];
		tuple.ipv4.sport = view->ports[0];
		tuple.ipv4.dport = view->ports[1];
	}
	struct bpf_sock *sk = view->protocol == IPPROTO_TCP
				      ? bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0)
				      : bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	/* A listening socket, and an unconnected one of UDP, has no peer. */
	direct = sk->dst_port == view->ports[0];
	bpf_sk_release(sk);
	return direct;
}

/* What the fragments of one packet have in common. */
static __always_inline struct host_fragment fragment_of(const struct view *view)
{
	struct host_fragment fragment = {.id = view->id, .protocol = view->protocol};

	__builtin_memcpy(fragment.source, &view->source, sizeof(fragment.source));
	__builtin_memcpy(fragment.destination, &view->destination, sizeof(fragment.destination));
	return fragment;
}

/* Keeps the number of the VIP that a packet is about, of which this is the first fragment. */
static __always_inline void remember_fragment(const struct view *view, __u32 number)
{
	struct host_fragment fragment = fragment_of(view);

	bpf_map_update_elem(&host_fragments, &fragment, &number, BPF_ANY);
}

/* Returns that number for a later fragment; 0: the packet is about none. */
static __always_inline __u32 fragment_number(const struct view *view)
{
	struct host_fragment fragment = fragment_of(view);
	const __u32 *known = bpf_map_lookup_elem(&host_fragments, &fragment);

	return known ? *known : 0;
}

/* Returns the number of the VIP that an answer to the host is from; 0: it is none. */
static __always_inline __u32 answer_number(struct __sk_buff *skb, const struct view *view, bool is_ipv6)
{
	__u32 number;

	if (!is_transport(view->protocol) || !is_own(&view->destination, is_ipv6))
		return 0;
	if (view->later)
		return fragment_number(view);
	number = service_number(&view->source, view->ports[0], view->protocol, is_ipv6);
	if (!number || is_direct(skb, view, is_ipv6))
		return 0;
	if (view->first)
		remember_fragment(view, number);
	return number;
}

/* Returns the number of the VIP that an ICMP error is about, if it is about a packet of the host; 0: it is not. */
static __always_inline __u32 error_number(struct __sk_buff *skb, const struct view *view, bool is_ipv6)
{
	struct view inner = {};

	if (!is_error(view, is_ipv6) || !is_own(&view->destination, is_ipv6) ||
	    !view_at(skb, view->transport + ICMP_HEADER_BYTES, &inner, is_ipv6) || inner.later ||
	    !is_own(&inner.source, is_ipv6) || !is_transport(inner.protocol))
		return 0;
	return service_number(&inner.destination, inner.ports[1], inner.protocol, is_ipv6);
}

/* Returns the number of the VIP for whose stand-in a packet is to be taken; 0: it is let alone. */
static __always_inline __u32 back_number(struct __sk_buff *skb, bool is_ipv6)
{
	struct view view = {};

	if (!view_at(skb, network_of(skb, is_ipv6), &view, is_ipv6))
		return 0;
	if (is_transport(view.protocol))
		return may_be_vip(view.source.words, is_ipv6) ? answer_number(skb, &view, is_ipv6) : 0;
	return error_number(skb, &view, is_ipv6);
}

__noinline int back_number4(struct __sk_buff *skb)
{
	return back_number(skb, false);
}

__noinline int back_number6(struct __sk_buff *skb)
{
	return back_number(skb, true);
}

/* Whether a packet may be for the host's connections: most are told by their first bytes. */
static __always_inline bool may_come_back(struct __sk_buff *skb, bool is_ipv6)
{
	const __u32 header = is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	if (!reads(skb, header))
		return false;
	const void *start = (void *)(long)skb->data;
	if (start + header > (void *)(long)skb->data_end)
		return false;
	/* Without an Ethernet header: back_number() looks closer. */
	const __u8 first = *(const __u8 *)start;
	if (unlikely(is_ipv6 ? first >> 4 == 6 : first == PLAIN_IPV4))
		return true;
	if (!reads(skb, sizeof(struct ethhdr) + header))
		return false;
	start = (void *)(long)skb->data;
	if (start + sizeof(struct ethhdr) + header > (void *)(long)skb->data_end)
		return false;
	if (is_ipv6) {
		const struct ipv6hdr *ip6 = start + sizeof(struct ethhdr);

		return ip6->nexthdr == IPPROTO_ICMPV6 || may_be_vip(ip6->saddr.in6_u.u6_addr32, true);
	}
	const struct iphdr *ip = start + sizeof(struct ethhdr);
	return ip->protocol == IPPROTO_ICMP || may_be_vip(&ip->saddr, false);
}

/* Returns whether the packet was one for a stand-in, and has its addresses now. */
static __always_inline bool comes_back(struct __sk_buff *skb)
{
	bool is_ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);

	if ((!is_ipv6 && skb->protocol != bpf_htons(ETH_P_IP)) || likely(!may_come_back(skb, is_ipv6)))
		return false;
	__u32 number = is_ipv6 ? back_number6(skb) : back_number4(skb);
	if (!number)
		return false;
	if (is_ipv6)
		exchange6(skb, EXCHANGE_BACK, number, true);
	else
		exchange4(skb, EXCHANGE_BACK, number);
	return true;
}

/* Answers to the host, by the director's interfaces: they come in where the stand-ins are. */
SEC("tc")
int host_back(struct __sk_buff *skb)
{
	if (likely(!comes_back(skb)))
		return NEXT;
	if (skb->vlan_present)
		bpf_skb_vlan_pop(skb);
	struct ethhdr ethernet = {.h_proto = skb->protocol};

	__builtin_memcpy(ethernet.h_dest, host.mac, ETH_ALEN);
	if (!network_of(skb, skb->protocol == bpf_htons(ETH_P_IPV6)) && bpf_skb_change_head(skb, sizeof(ethernet), 0))
		return TC_ACT_SHOT;
	bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0);
	return bpf_redirect(host.ifindex, BPF_F_INGRESS);
}

/* The director's own answers to the host, which come back by the veth. */
SEC("tc")
int host_told(struct __sk_buff *skb)
{
	comes_back(skb);
	return NEXT;
}

static __always_inline void exchange_any(struct __sk_buff *skb, enum exchange exchange)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		exchange4(skb, exchange, 0);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		exchange6(skb, exchange, 0, false);
}

/* Whether a container's packet to a VIP is one for a service, or goes on as one that was. */
static __always_inline bool asks_service(struct __sk_buff *skb, const struct view *view, bool is_ipv6)
{
	struct view inner = {};

	if (view->later)
		return fragment_number(view);
	/* About an answer that a container got. */
	if (is_error(view, is_ipv6))
		return view_at(skb, view->transport + ICMP_HEADER_BYTES, &inner, is_ipv6) && !inner.later &&
		       is_transport(inner.protocol) &&
		       service_number(&inner.source, inner.ports[0], inner.protocol, is_ipv6);
	if (!is_transport(view->protocol))
		return false;
	const struct host_value *service = service_at(&view->destination, view->ports[1], view->protocol, is_ipv6);
	if (!service)
		return false;
	__u8 flags = TCP_SYN;

	if (view->protocol == IPPROTO_TCP)
		bpf_skb_load_bytes(skb, view->transport + TCP_FLAGS_AT, &flags, sizeof(flags));
	if (!service->is_asked && flags & TCP_SYN)
		return false;
	/* A program of the host has had the connection since before there was the service. */
	if (view->protocol == IPPROTO_TCP && !(flags & TCP_SYN) && is_direct(skb, view, is_ipv6))
		return false;
	if (view->first)
		remember_fragment(view, service->number);
	return true;
}

__noinline int asks_service4(struct __sk_buff *skb)
{
	struct view view = {};

	return view_at(skb, network_of(skb, false), &view, false) && may_be_vip(view.destination.words, false) &&
	       asks_service(skb, &view, false);
}

__noinline int asks_service6(struct __sk_buff *skb)
{
	struct view view = {};

	return view_at(skb, network_of(skb, true), &view, true) && may_be_vip(view.destination.words, true) &&
	       asks_service(skb, &view, true);
}

/* Packets of containers for a VIP: to its stand-in. Returns whether it was one. */
static __always_inline bool comes_from_container(struct __sk_buff *skb)
{
	bool is_ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);

	if ((!is_ipv6 && skb->protocol != bpf_htons(ETH_P_IP)) || !(is_ipv6 ? asks_service6(skb) : asks_service4(skb)))
		return false;
	exchange_any(skb, EXCHANGE_BACK);
	return true;
}

/*
 * At a bridge's port. From there on they are routed and masqueraded as packets to other networks are, and leave as the
 * host's own.
 */
SEC("tc")
int host_port_in(struct __sk_buff *skb)
{
	comes_from_container(skb);
	return NEXT;
}

/*
 * At the bridge, for ports that the daemon has not seen yet. Once more into the bridge's interface, which has the
 * kernel forget what it knows of the packet: with br_netfilter, as Docker has it, the connection was tracked at the
 * port, with the VIP.
 */
SEC("tc")
int host_bridge_in(struct __sk_buff *skb)
{
	return comes_from_container(skb) ? bpf_redirect(skb->ifindex, BPF_F_INGRESS) : NEXT;
}

/* The answers to them: from the VIP again. */
SEC("tc")
int host_bridge_out(struct __sk_buff *skb)
{
	exchange_any(skb, EXCHANGE_OUT);
	return NEXT;
}

/* Packets that the director leaves to this host: its service sees a client that it can answer. */
SEC("tc")
int host_enter(struct __sk_buff *skb)
{
	exchange_any(skb, EXCHANGE_ENTER);
	return NEXT;
}

/* This host's answers to itself. Nothing but IP leaves this way. */
SEC("tc")
int host_answer(struct __sk_buff *skb)
{
	exchange_any(skb, EXCHANGE_ANSWER);
	return NEXT;
}
