// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Health checks of the VIP on each real server, as two tc programs. A check's socket is connected to the real server's
 * own address (RIP), so that route, source, neighbour and MAC are the kernel's. On the way out the RIP becomes the VIP,
 * on the way back the VIP becomes the RIP; the table says which, by the check's local port. The kernel never sees the
 * VIP, so it does not matter whether the VIP is this host's.
 *
 * A check leaves with a hop limit of 1. A real server that lost its VIP but forwards would otherwise send the check to
 * a director, and that one to a real server that has the VIP.
 *
 * Every packet of the host passes here, but none that the director forwards by XDP. Of a packet that is no check's only
 * the protocol and the port are looked at.
 */
#include "check.h"
#include "rewrite.h"

char _license[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CHECK_PORTS);
	__type(key, __u32);
	__type(value, struct check);
} checks SEC(".maps");

const volatile struct check_range range = {.first = CHECK_FIRST_PORT, .count = CHECK_PORTS};

/* The check that may have a port. NULL for a port of no check: then the packet is no check's. */
static __always_inline struct check *check_at(__be16 port)
{
	__u32 index = bpf_ntohs(port) - range.first;

	return likely(index >= range.count) ? NULL : bpf_map_lookup_elem(&checks, &index);
}

static __always_inline bool is_of(const struct check *check, __u8 protocol, bool is_ipv6)
{
	return check->family == (is_ipv6 ? 6 : 4) && check->protocol == protocol;
}

/* The port by which a check is known, of its request or reply: 0, which no check has, of other packets. */
static __always_inline __be16 port_of(const __be16 *transport, __u8 protocol, bool reply)
{
	__u8 type = *(const __u8 *)transport;

	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return transport[reply ? 1 : 0];
	case IPPROTO_ICMP:
		return type == (reply ? ICMP_ECHOREPLY : ICMP_ECHO) ? transport[2] : 0;
	case IPPROTO_ICMPV6:
		return type == (reply ? ICMPV6_ECHO_REPLY : ICMPV6_ECHO_REQUEST) ? transport[2] : 0;
	}
	return 0;
}

static __always_inline void set_hop_limit4(struct __sk_buff *skb, __u32 network, __u8 ttl, __u8 protocol)
{
	/* The two bytes stand in one word of the checksum. */
	struct {
		__u8 ttl, protocol;
	} old = {ttl, protocol}, new = {1, protocol};

	bpf_l3_csum_replace(skb, network + offsetof(struct iphdr, check), *(__u16 *)&old, *(__u16 *)&new, 2);
	bpf_skb_store_bytes(skb, network + offsetof(struct iphdr, ttl), &new.ttl, 1, 0);
}

static __always_inline int leave(struct __sk_buff *skb, struct check *check, const __u32 *source,
				 const __u32 *destination, __u8 hops, __u8 protocol, bool is_ipv6)
{
	const __u32 network = sizeof(struct ethhdr);
	const __u32 transport = network + (is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	const __u32 field = is_ipv6 ? offsetof(struct ipv6hdr, daddr) : offsetof(struct iphdr, daddr);
	struct address rip = copy_of(check->rip), vip = copy_of(check->vip);
	__u8 one = 1;

	if (!is_of(check, protocol, is_ipv6) || !same(rip.words, destination, is_ipv6) ||
	    !same(check->local, source, is_ipv6))
		return NEXT;
	replace(skb, network, field, transport, protocol, rip.words, vip.words, is_ipv6, BPF_F_PSEUDO_HDR);
	if (is_ipv6)
		bpf_skb_store_bytes(skb, network + offsetof(struct ipv6hdr, hop_limit), &one, 1, 0);
	else
		set_hop_limit4(skb, network, hops, protocol);
	return NEXT;
}

SEC("tc")
int check_egress(struct __sk_buff *skb)
{
	const void *network = (void *)(long)skb->data + sizeof(struct ethhdr);
	const void *end = (void *)(long)skb->data_end;

	if (likely(skb->protocol == bpf_htons(ETH_P_IP))) {
		const struct iphdr *ip = network;
		const __be16 *transport = (const void *)(ip + 1);

		if ((void *)(transport + 3) > end || *(const __u8 *)ip != PLAIN_IPV4)
			return NEXT;
		struct check *check = check_at(port_of(transport, ip->protocol, false));
		/* A later fragment has no port, and all go to one address. */
		return likely(!check) || ip->frag_off & bpf_htons(FRAGMENT)
			       ? NEXT
			       : leave(skb, check, &ip->saddr, &ip->daddr, ip->ttl, ip->protocol, false);
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip6 = network;
		const __be16 *transport = (const void *)(ip6 + 1);

		if ((void *)(transport + 3) > end)
			return NEXT;
		struct check *check = check_at(port_of(transport, ip6->nexthdr, false));
		return likely(!check) ? NEXT
				      : leave(skb, check, ip6->saddr.in6_u.u6_addr32, ip6->daddr.in6_u.u6_addr32, 0,
					      ip6->nexthdr, true);
	}
	return NEXT;
}

/*
 * An ICMP error that quotes a check: the quote gets the RIP back, so that the kernel finds the socket, and the error's
 * source too if it was the VIP. `quoted_from` and `quoted_to` are the quoted packet's addresses.
 */
static __always_inline void mend_error(struct __sk_buff *skb, __u32 network, __u32 icmp, struct check *check,
				       bool exceeded, const __u32 *source, const __u32 *quoted_from,
				       const __u32 *quoted_to, bool is_ipv6)
{
	const __u32 inner = icmp + ICMP_HEADER_BYTES;
	const __u32 destination = is_ipv6 ? offsetof(struct ipv6hdr, daddr) : offsetof(struct iphdr, daddr);
	const __u32 from = is_ipv6 ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr);
	/* The quoted IPv4 header's checksum makes up for its address, so the ICMP checksum stays; IPv6 has none. */
	const __u8 protocol = is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct address rip = copy_of(check->rip), vip = copy_of(check->vip);

	if (!same(vip.words, quoted_to, is_ipv6) || !same(check->local, quoted_from, is_ipv6))
		return;
	if (exceeded)
		check->forwarded = 1;
	replace(skb, inner, destination, icmp, protocol, vip.words, rip.words, is_ipv6, 0);
	if (same(vip.words, source, is_ipv6))
		replace(skb, network, from, icmp, protocol, vip.words, rip.words, is_ipv6, 0);
}

static __always_inline int arrive_error4(struct __sk_buff *skb, __u32 network, __be32 source, __u8 type, __u8 code)
{
	const __u32 icmp = network + sizeof(struct iphdr), inner = icmp + ICMP_HEADER_BYTES;
	struct iphdr quoted;
	__be16 transport[4];

	if ((type != ICMP_DEST_UNREACH && type != ICMP_TIME_EXCEEDED && type != ICMP_PARAMETERPROB) ||
	    bpf_skb_load_bytes(skb, inner, &quoted, sizeof(quoted)) ||
	    bpf_skb_load_bytes(skb, inner + quoted.ihl * 4, transport, sizeof(transport)))
		return NEXT;
	struct check *check = check_at(port_of(transport, quoted.protocol, false));
	/* Code 1 is about fragments that were not put together in time. */
	if (check && is_of(check, quoted.protocol, false))
		mend_error(skb, network, icmp, check, type == ICMP_TIME_EXCEEDED && code == 0, &source, &quoted.saddr,
			   &quoted.daddr, false);
	return NEXT;
}

static __always_inline int arrive_error6(struct __sk_buff *skb, __u32 network, struct address source, __u8 type,
					 __u8 code)
{
	const __u32 icmp = network + sizeof(struct ipv6hdr), inner = icmp + ICMP_HEADER_BYTES;
	struct ipv6hdr quoted;
	__be16 transport[4];

	if (type < ICMPV6_DEST_UNREACH || type > ICMPV6_PARAMPROB ||
	    bpf_skb_load_bytes(skb, inner, &quoted, sizeof(quoted)) ||
	    bpf_skb_load_bytes(skb, inner + sizeof(quoted), transport, sizeof(transport)))
		return NEXT;
	struct check *check = check_at(port_of(transport, quoted.nexthdr, false));
	if (check && is_of(check, quoted.nexthdr, true))
		mend_error(skb, network, icmp, check, type == ICMPV6_TIME_EXCEED && code == 0, source.words,
			   quoted.saddr.in6_u.u6_addr32, quoted.daddr.in6_u.u6_addr32, true);
	return NEXT;
}

static __always_inline int arrive(struct __sk_buff *skb, __u32 network, struct check *check, const __u32 *source,
				  const __u32 *destination, __u8 protocol, bool is_ipv6)
{
	const __u32 transport = network + (is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	const __u32 field = is_ipv6 ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr);
	struct address rip = copy_of(check->rip), vip = copy_of(check->vip);

	if (!is_of(check, protocol, is_ipv6) || !same(vip.words, source, is_ipv6) ||
	    !same(check->local, destination, is_ipv6))
		return NEXT;
	/* The socket would take an answer from the RIP too. */
	check->answered = 1;
	replace(skb, network, field, transport, protocol, vip.words, rip.words, is_ipv6,
		is_ipv6 ? 0 : BPF_F_PSEUDO_HDR);
	return NEXT;
}

static __always_inline int arrive4(struct __sk_buff *skb, __u32 network, const struct iphdr *ip)
{
	const __be16 *transport = (const void *)(ip + 1);
	const __u8 *icmp = (const void *)transport;

	if (*(const __u8 *)ip != PLAIN_IPV4)
		return NEXT;
	struct check *check = check_at(port_of(transport, ip->protocol, true));
	if (check)
		return ip->frag_off & bpf_htons(FRAGMENT_OFFSET)
			       ? NEXT
			       : arrive(skb, network, check, &ip->saddr, &ip->daddr, ip->protocol, false);
	return likely(ip->protocol != IPPROTO_ICMP) ? NEXT : arrive_error4(skb, network, ip->saddr, icmp[0], icmp[1]);
}

static __always_inline int arrive6(struct __sk_buff *skb, __u32 network, const struct ipv6hdr *ip6)
{
	const __be16 *transport = (const void *)(ip6 + 1);
	const __u8 *icmp = (const void *)transport;
	struct check *check = check_at(port_of(transport, ip6->nexthdr, true));

	if (check)
		return arrive(skb, network, check, ip6->saddr.in6_u.u6_addr32, ip6->daddr.in6_u.u6_addr32, ip6->nexthdr,
			      true);
	return likely(ip6->nexthdr != IPPROTO_ICMPV6)
		       ? NEXT
		       : arrive_error6(skb, network, copy_of(ip6->saddr.in6_u.u6_addr32), icmp[0], icmp[1]);
}

/* The bytes that arrive4() and arrive6() read. */
#define BYTES4 (sizeof(struct iphdr) + 3 * sizeof(__be16))
#define BYTES6 (sizeof(struct ipv6hdr) + 3 * sizeof(__be16))

/*
 * Packets without their Ethernet header: see is_bare(). A function of its own, since nearly no packet is one.
 */
static __noinline int arrive_bare(struct __sk_buff *skb)
{
	bool is_ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	const __u32 bytes = is_ipv6 ? BYTES6 : BYTES4;

	if (!reads(skb, bytes))
		return NEXT;
	const void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (is_ipv6)
		return start + BYTES6 > end ? NEXT : arrive6(skb, 0, start);
	return start + BYTES4 > end ? NEXT : arrive4(skb, 0, start);
}

SEC("tc")
int check_ingress(struct __sk_buff *skb)
{
	const __u32 ethernet = sizeof(struct ethhdr);

	if (likely(skb->protocol == bpf_htons(ETH_P_IP))) {
		/* So much has a packet without its Ethernet header too, if it is for a check. */
		if (!reads(skb, BYTES4))
			return NEXT;
		const void *start = (void *)(long)skb->data;
		if (start + BYTES4 > (void *)(long)skb->data_end)
			return NEXT;
		if (unlikely(is_bare(start, skb->len, false)))
			return arrive_bare(skb);
		if (!reads(skb, ethernet + BYTES4))
			return NEXT;
		start = (void *)(long)skb->data;
		return start + ethernet + BYTES4 > (void *)(long)skb->data_end
			       ? NEXT
			       : arrive4(skb, ethernet, start + ethernet);
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (!reads(skb, BYTES6))
			return NEXT;
		const void *start = (void *)(long)skb->data;
		if (start + BYTES6 > (void *)(long)skb->data_end)
			return NEXT;
		if (unlikely(is_bare(start, skb->len, true)))
			return arrive_bare(skb);
		if (!reads(skb, ethernet + BYTES6))
			return NEXT;
		start = (void *)(long)skb->data;
		return start + ethernet + BYTES6 > (void *)(long)skb->data_end
			       ? NEXT
			       : arrive6(skb, ethernet, start + ethernet);
	}
	return NEXT;
}
