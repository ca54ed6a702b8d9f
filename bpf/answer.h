/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The ICMP errors that the director sends itself, as a router does, about a service's packet that cannot go on. The
 * host must not answer such a packet: it owns the VIP, and would refuse the packet as if it were the server.
 *
 * An answer replaces the packet: it is the packet's beginning behind two new headers, and leaves by the interface that
 * the packet came by, to the MAC that it came from.
 */
#pragma once

#include "delivery.h"
#include "effect.h"
#include "guard.h"
#include "hash.h"
#include "icmp.h"
#include "walk.h"

/* Codes of unreachable (RFC 792, RFC 1191; RFC 4443, 3.1), and ICMPv6's types (RFC 4443, 3.2 and 3.3). */
#define ICMP_CODE_HOST 1
#define ICMP_CODE_PORT 3
#define ICMP_CODE_FRAGMENTATION_NEEDED 4
#define ICMP6_CODE_ADDRESS 3
#define ICMP6_CODE_PORT 4
#define ICMP6_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3

/* The longest answers (RFC 1812, 4.3.2.3; RFC 4443, 2.4), and the least MTU of a way for IPv6 (RFC 8200, 5). */
#define LONGEST_ANSWER 576
#define LONGEST_ANSWER6 1280

/* Internetwork control (RFC 1812, 4.3.2.5); the bits of a type of service that an answer takes over. */
#define TOS_INTERNETWORK_CONTROL 0xc0
#define TOS_MASK 0x1e
#define ANSWER_TTL 64
#define IPV4_DONT_FRAGMENT 0x4000

/* The addresses that stand for no host: 0/8, 127/8, and from 224/4 on (RFC 1122, 3.2.1.3); their first bytes. */
#define IPV4_LOOPBACK 127
#define IPV4_MULTICAST 224
#define IPV6_MULTICAST 0xff

struct answer {
	__u8 type;
	__u8 code;
	__u32 mtu; /* 0: the answer has none */
};

/* Returns the answer that a reason has. `is_ipv6` is a constant. */
static __always_inline struct answer answer_for(__u32 reason, __u32 mtu, bool is_ipv6)
{
	switch (reason) {
	case VERDICT_TTL:
		return (struct answer){.type = is_ipv6 ? ICMP6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED};
	case VERDICT_TOO_LONG:
		if (is_ipv6)
			return (struct answer){.type = ICMP6_TOO_BIG,
					       .mtu = mtu < LONGEST_ANSWER6 ? LONGEST_ANSWER6 : mtu};
		return (struct answer){.type = ICMP_UNREACHABLE, .code = ICMP_CODE_FRAGMENTATION_NEEDED, .mtu = mtu};
	case VERDICT_NO_DESTINATION:
		return (struct answer){.type = is_ipv6 ? ICMP6_UNREACHABLE : ICMP_UNREACHABLE,
				       .code = is_ipv6 ? ICMP6_CODE_PORT : ICMP_CODE_PORT};
	default:
		return (struct answer){.type = is_ipv6 ? ICMP6_UNREACHABLE : ICMP_UNREACHABLE,
				       .code = is_ipv6 ? ICMP6_CODE_ADDRESS : ICMP_CODE_HOST};
	}
}

/* Whether one host sent the packet, to which an answer can go (RFC 1122, 3.2.2). */
static __always_inline bool has_one_source(const struct frame *frame, const void *network, bool is_ipv6)
{
	const __u8 *source_mac = frame->start + ETH_ALEN;
	const struct ipv6hdr *ip6 = network;
	const struct iphdr *ip = network;

	if (source_mac[0] & 1)
		return false;
	if (is_ipv6) {
		const __be32 *words = ip6->saddr.in6_u.u6_addr32;
		bool is_first_two = !(words[0] | words[1] | words[2] | (words[3] & ~bpf_htonl(1)));

		return *(const __u8 *)words != IPV6_MULTICAST && !is_first_two;
	}
	__u8 first = *(const __u8 *)&ip->saddr;

	return first != 0 && first != IPV4_LOOPBACK && first < IPV4_MULTICAST;
}

/* Returns the interface that the packet came by; NULL when it has no address to answer from. */
static __always_inline const struct nic *answering_nic(const struct xdp_md *context, bool is_ipv6)
{
	__u32 copy = active_copy();
	const struct nics *table = bpf_map_lookup_elem(&nics, &copy);
	const struct nic *nic;

	if (!table)
		return NULL;
	if (uses(FEATURE_NICS))
		nic = nic_of(context->ingress_ifindex, copy);
	else
		nic = &table->entry[table->first & ((1 << NIC_BITS) - 1)];
	if (!nic)
		return NULL;
	if (is_ipv6)
		return nic->address6[0] | nic->address6[1] | nic->address6[2] | nic->address6[3] ? nic : NULL;
	return nic->address ? nic : NULL;
}

/*
 * Takes an answer from a bucket that holds `burst` and gains one each interval. False when there is none, or another
 * CPU was faster. The time from which on it is full says as much as the number that it holds, in one word.
 */
static __always_inline bool take_from(volatile __u64 *bucket, __u64 tag, __u64 time_mask, __u64 now, __u64 interval,
				      __u64 burst)
{
	__u64 before = *bucket, full = before & time_mask;

	/* A client that falls on the bucket of another takes it over. */
	if (full < now || (before & ~time_mask) != tag)
		full = now;
	full += interval;
	return full - now <= burst * interval && exchange(bucket, before, tag | (full & time_mask));
}

static __always_inline __u64 client_hash(const void *network, bool is_ipv6)
{
	const struct ipv6hdr *ip6 = network;
	const __u64 *words = (const __u64 *)&ip6->saddr;

	return mix(is_ipv6 ? mix(words[0]) ^ words[1] : ((const struct iphdr *)network)->saddr);
}

/*
 * Whether the kernel would send this answer too, at the same rate of answers: icmpv4_xrlim_allow() and
 * icmp_global_allow() in net/ipv4/icmp.c. The client's limit comes first, so that one client does not use up all
 * (since kernel 6.11).
 */
static __always_inline bool within_limits(const void *network, const struct answer *answer, bool is_ipv6)
{
	__u32 zero = 0;
	struct answers *table = bpf_map_lookup_elem(&answers, &zero);
	if (!table)
		return false;
	/* Fragmentation needed is never limited there (RFC 1191). Packet too big has a type of its own, and a bit. */
	if (!LIMITS_ANSWERS || (!is_ipv6 && answer->mtu) || !(table->limited_types[is_ipv6] >> (answer->type & 31) & 1))
		return true;

	__u64 now = bpf_ktime_get_ns(), hash = client_hash(network, is_ipv6);
	__u64 tag = hash << ANSWER_BITS >> ANSWER_TIME_BITS << ANSWER_TIME_BITS;
	__u64 time_mask = (1ULL << ANSWER_TIME_BITS) - 1, interval = table->interval_ms[is_ipv6];

	if (interval && !take_from(&table->client[hash >> (64 - ANSWER_BITS)], tag, time_mask, now / 1000000, interval,
				   ANSWER_BURST))
		return false;
	interval = table->all_interval_us;
	return !interval || take_from(&table->all, 0, ~0ULL, now / 1000, interval, table->all_burst);
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/*
 * Returns the sum of the frame's bytes from an offset to the end, as a checksum adds them (RFC 1071). Global, and so
 * verified once, not for every packet that an answer can be about.
 */
__noinline int sum_to_end(struct xdp_md *context, __u32 offset)
{
	const struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};
	const void *next = at(&frame, offset, 0);
	__u64 sum = 0;

	if (!next)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < LONGEST_ANSWER6 / sizeof(__u32); i++) {
		if (next + sizeof(__u32) > frame.end)
			break;
		sum += *(const __u32 *)next;
		next += sizeof(__u32);
	}
	if (next + sizeof(__u16) <= frame.end) {
		sum += *(const __u16 *)next;
		next += sizeof(__u16);
	}
	if (next + sizeof(__u8) <= frame.end)
		sum += *(const __u8 *)next;
	return fold(sum);
}

static __always_inline void write_ipv4(struct iphdr *ip, const struct iphdr *quoted, const struct nic *nic, __u32 bytes)
{
	const __u32 *words = (const __u32 *)ip;
	__be32 client = quoted->saddr;
	__u64 sum = 0;

	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tos = TOS_INTERNETWORK_CONTROL | (quoted->tos & TOS_MASK),
		.tot_len = bpf_htons(bytes),
		/* Whole and never fragmented, so it needs no id (RFC 6864, 4.1). */
		.frag_off = bpf_htons(IPV4_DONT_FRAGMENT),
		.ttl = ANSWER_TTL,
		.protocol = IPPROTO_ICMP,
		.saddr = nic->address,
		.daddr = client,
	};
#pragma unroll
	for (__u32 i = 0; i < sizeof(*ip) / sizeof(__u32); i++)
		sum += words[i];
	ip->check = ~fold(sum);
}

static __always_inline void write_ipv6(struct ipv6hdr *ip6, const struct ipv6hdr *quoted, const struct nic *nic,
				       __u32 bytes)
{
	__u32 *words = (__u32 *)ip6;
	const __u32 *client = quoted->saddr.in6_u.u6_addr32;

	words[0] = bpf_htonl(6U << 28);
	words[1] = bpf_htonl((bytes - sizeof(*ip6)) << 16 | IPPROTO_ICMP6 << 8 | ANSWER_TTL);
#pragma unroll
	for (__u32 i = 0; i < 4; i++) {
		words[2 + i] = nic->address6[i];
		words[6 + i] = client[i];
	}
}

/* The beginning of ICMPv6's checksum: the pseudo-header (RFC 8200, 8.1). */
static __always_inline __u64 sum_of_pseudo_header(const struct ipv6hdr *ip6)
{
	const __u32 *words = (const __u32 *)ip6;
	__u64 sum = (__u64)ip6->payload_len + bpf_htons(IPPROTO_ICMP6);

#pragma unroll
	for (__u32 i = 2; i < sizeof(*ip6) / sizeof(__u32); i++)
		sum += words[i];
	return sum;
}

/* The MACs, two tags and the EtherType. */
#define LONGEST_LINK_HEADER (sizeof(struct ethhdr) + 2 * TAG_BYTES)

/* Moves the link header to the frame's new beginning, with the MACs swapped. What it copies too much is overwritten. */
static __always_inline bool move_link_header(const struct frame *frame, __u32 added)
{
	__u16 *words = frame->start;
	const __u16 *before = frame->start + added;

	if (frame->start + added + LONGEST_LINK_HEADER > frame->end)
		return false;
#pragma unroll
	for (__u32 i = 0; i < ETH_ALEN / 2; i++) {
		words[i] = before[ETH_ALEN / 2 + i];
		words[ETH_ALEN / 2 + i] = before[i];
	}
#pragma unroll
	for (__u32 i = ETH_ALEN; i < LONGEST_LINK_HEADER / 2; i++)
		words[i] = before[i];
	return true;
}

/*
 * Makes an ICMP error of the packet whose IP header is at `network`. False when the frame has no room for it; the frame
 * is then not what it was. `is_ipv6` is a constant.
 */
static __always_inline bool build_answer(struct xdp_md *context, const struct answer *answer, const struct nic *nic,
					 __u32 network, __u32 quoted_bytes, bool is_ipv6)
{
	const __u32 header = is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	const __u32 added = header + sizeof(struct icmp);
	int surplus = bpf_xdp_get_buff_len(context) - network - quoted_bytes;

	if ((surplus && bpf_xdp_adjust_tail(context, -surplus)) || bpf_xdp_adjust_head(context, -(int)added))
		return false;
	const struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};
	void *ip = at(&frame, network, header + sizeof(struct icmp) + header);

	if (!ip || !move_link_header(&frame, added))
		return false;
	struct icmp *icmp = ip + header;
	const void *quoted = icmp + 1;
	__u64 sum = 0;
	if (is_ipv6) {
		write_ipv6(ip, quoted, nic, added + quoted_bytes);
		sum = sum_of_pseudo_header(ip);
	} else {
		write_ipv4(ip, quoted, nic, added + quoted_bytes);
	}
	/* The MTU is the word's lower half, in ICMP (RFC 1191, 4) as in ICMPv6. */
	*icmp = (struct icmp){.type = answer->type, .code = answer->code, .rest = bpf_htonl(answer->mtu)};
	icmp->checksum = ~fold(sum + sum_to_end(context, network + header));
	return true;
}

static __always_inline __u32 answer_in(struct xdp_md *context, const struct frame *frame, __u32 reason, __u32 mtu,
				       __u32 unanswerable, bool is_ipv6)
{
	const __u32 network = sizeof(struct ethhdr) + frame->tags * TAG_BYTES;
	const __u32 header = is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	const void *ip = at(frame, network, header);
	if (!ip)
		return VERDICT_UNANSWERED;

	if (!is_ipv6 && reason == VERDICT_TOO_LONG &&
	    !(((const struct iphdr *)ip)->frag_off & bpf_htons(IPV4_DONT_FRAGMENT)))
		return VERDICT_NOT_FRAGMENTED;
	/* The frame's first part, if it has several, and without the padding of short frames. */
	__u64 there = frame->end - frame->start;
	/* Pointers are subtracted in 64 bits only. */
	asm volatile("" : "+r"(there));
	__u32 bytes = is_ipv6 ? sizeof(struct ipv6hdr) + bpf_ntohs(((const struct ipv6hdr *)ip)->payload_len)
			      : bpf_ntohs(((const struct iphdr *)ip)->tot_len);
	__u32 most = (is_ipv6 ? LONGEST_ANSWER6 : LONGEST_ANSWER) - header - sizeof(struct icmp);

	bytes = bytes < there - network ? bytes : there - network;
	bytes = bytes < most ? bytes : most;
	/* A quote has at least eight bytes of the transport header (RFC 792). A shorter packet contradicts itself. */
	if (bytes < header + 8)
		return VERDICT_UNANSWERED;

	const struct nic *nic = answering_nic(context, is_ipv6);
	const struct answer answer = answer_for(reason, mtu, is_ipv6);
	if (unanswerable || !nic || !has_one_source(frame, ip, is_ipv6))
		return VERDICT_UNANSWERED;
	if (!within_limits(ip, &answer, is_ipv6))
		return VERDICT_LIMITED;

	return build_answer(context, &answer, nic, network, bytes, is_ipv6) ? reason : VERDICT_UNANSWERED;
}

/*
 * Answers a packet that cannot go on, for a `reason` that answer_for() knows. Returns its verdict: the reason when it
 * was answered. `unanswerable`: as is_unanswerable() says.
 *
 * Global, and so verified by itself: packets that go on pay nothing for it.
 */
__noinline int answer(struct xdp_md *context, __u32 reason, __u32 mtu, __u32 unanswerable)
{
	struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return VERDICT_UNANSWERED;
	switch (skip_tags(&frame)) {
	case bpf_htons(ETH_P_IP):
		return answer_in(context, &frame, reason, mtu, unanswerable, false);
	case bpf_htons(ETH_P_IPV6):
		return answer_in(context, &frame, reason, mtu, unanswerable, true);
	default:
		return VERDICT_UNANSWERED;
	}
}

/* Whether a packet that ends so is answered. */
static __always_inline bool is_answered(enum verdict reason)
{
	return reason == VERDICT_NO_DESTINATION || reason == VERDICT_TOO_LONG || reason == VERDICT_TTL ||
	       reason == VERDICT_NO_EGRESS;
}
