/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What tc programs that exchange addresses have in common: they mend the checksums, and let other programs decide about
 * the packet.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* TCX_NEXT and TC_ACT_UNSPEC: other programs on the interface decide about the packet. */
#define NEXT -1

/* linux/icmp.h includes sys/socket.h, which BPF has not. */
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_HEADER_BYTES 8

#define PLAIN_IPV4 0x45 /* version 4, no options */
#define FRAGMENT_OFFSET 0x1fff
#define FRAGMENT 0x3fff /* an offset, or more fragments follow */

/* Addresses of either family. */
struct address {
	__u32 words[4];
};

static __always_inline bool same(const __u32 *a, const __u32 *b, bool is_ipv6)
{
	if (!is_ipv6)
		return a[0] == b[0];
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

/* Where a protocol's checksum is in its header. -1 for ICMP, whose checksum does not cover addresses. */
static __always_inline int checksum_offset(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMPV6:
		return 2;
	}
	return -1;
}

/*
 * Replaces an address and mends the transport's checksum, and of IPv4 the header's.
 *
 * `pseudo` is BPF_F_PSEUDO_HDR, or 0 for IPv6 on the way in: with the flag, kernels before 6.16 also correct skb->csum
 * of a card that sums whole packets (CHECKSUM_COMPLETE). Of IPv6 that sum stays the same, since the address and the
 * checksum cancel out.
 */
static __always_inline void replace(struct __sk_buff *skb, __u32 network, __u32 field, __u32 transport, __u8 protocol,
				    __u32 *from, __u32 *to, bool is_ipv6, __u64 pseudo)
{
	__u64 flags = pseudo | (protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
	int checksum = checksum_offset(protocol);

	if (is_ipv6) {
		__s64 difference = bpf_csum_diff(from, 16, to, 16, 0);

		if (checksum >= 0)
			bpf_l4_csum_replace(skb, transport + checksum, 0, difference, flags);
		bpf_skb_store_bytes(skb, network + field, to, 16, 0);
		return;
	}
	if (checksum >= 0)
		bpf_l4_csum_replace(skb, transport + checksum, *from, *to, flags | 4);
	bpf_l3_csum_replace(skb, network + offsetof(struct iphdr, check), *from, *to, 4);
	bpf_skb_store_bytes(skb, network + field, to, 4, 0);
}

/* Copies an entry's address to the stack, where helpers take it. */
static __always_inline struct address copy_of(const __u32 *words)
{
	return (struct address){{words[0], words[1], words[2], words[3]}};
}

/* Whether the packet has so many bytes; makes them readable if a driver left them in pages. */
static __always_inline bool reads(struct __sk_buff *skb, __u32 bytes)
{
	if (likely((void *)(long)skb->data + bytes <= (void *)(long)skb->data_end))
		return true;
	return skb->len >= bytes && !bpf_skb_pull_data(skb, bytes);
}

/*
 * Whether a packet comes without its Ethernet header, by its first bytes, of which there are at least 14. After XDP in
 * generic mode, packets that it had to copy come so to tc programs (mac_len is 0 then, in skb_pp_cow_data() of kernels
 * from 6.8 on). No MAC of one host begins as an IPv4 header does; one may as IPv6's.
 */
static __always_inline bool is_bare(const void *start, __u32 length, bool is_ipv6)
{
	const __u8 first = *(const __u8 *)start;

	if (!is_ipv6)
		return first == PLAIN_IPV4;
	return first >> 4 == 6 && ((const struct ethhdr *)start)->h_proto != bpf_htons(ETH_P_IPV6) &&
	       bpf_ntohs(((const struct ipv6hdr *)start)->payload_len) + sizeof(struct ipv6hdr) == length;
}
