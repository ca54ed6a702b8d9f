/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a frame's bytes to the few facts that scheduling needs: addresses, ports, protocol, length, first packet.
 *
 * Nothing here drops a packet. What cannot be scheduled gets a verdict that says why, and goes up untouched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "verdict.h"

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* IPv4's first byte when there are no options: version 4, header length 5 words (RFC 791, 3.1). */
#define IPV4_PLAIN_HEADER 0x45
/* More-fragments flag and fragment offset (RFC 791, 3.1): both zero when the packet is whole. */
#define IPV4_FRAGMENT_BITS 0x3fff
/* The Fragment header's number among IPv6's next headers (RFC 8200, 4.5). */
#define IPV6_FRAGMENT_HEADER 44

/* The bytes that the driver handed over; every read is checked against `end`. */
struct frame {
	void *start;
	void *end;
};

/* The frame must hold an Ethernet header. struct ethhdr is packed, which would have clang read byte by byte. */
static __always_inline __be16 ethertype(const struct frame *frame)
{
	return *(const __be16 *)(frame->start + offsetof(struct ethhdr, h_proto));
}

/* Source port, then destination port: the first four bytes of TCP (RFC 9293, 3.1) and of UDP (RFC 768) alike. */
struct ports {
	__be16 source;
	__be16 destination;
};

/*
 * What parsing found: where the headers are. The fields stay in the frame and are read when they are needed, because a
 * packet that turns out to be for no service needs few of them.
 */
struct packet {
	union {
		const struct iphdr *ip;
		const struct ipv6hdr *ip6;
	};
	union {
		const struct ports *ports;
		const struct tcphdr *tcp; /* whole, when the protocol is TCP */
	};
	__u8 protocol;        /* IPPROTO_TCP or IPPROTO_UDP */
	enum verdict verdict; /* when parsing refused the packet: why */
};

/* Whether this is the first packet of a flow, as far as the packet tells: a TCP SYN without ACK. */
static __always_inline bool opens_flow(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP && packet->tcp->syn && !packet->tcp->ack;
}

/* Finds the ports at `transport`. Returns false when the transport header is not there whole, or of another kind. */
static __always_inline bool parse_transport(const struct frame *frame, const void *transport, struct packet *packet)
{
	__u32 header;

	if (likely(packet->protocol == IPPROTO_TCP)) {
		header = sizeof(struct tcphdr);
	} else if (packet->protocol == IPPROTO_UDP) {
		header = sizeof(struct udphdr);
	} else {
		packet->verdict = VERDICT_OTHER_PROTOCOL;
		return false;
	}
	if (unlikely(transport + header > frame->end)) {
		packet->verdict = VERDICT_TRUNCATED;
		return false;
	}
	packet->ports = transport;
	return true;
}

/* Returns true when the packet can be scheduled. Otherwise `packet->verdict` says why not, and only `ip` is set. */
static __always_inline bool parse_ipv4(const struct frame *frame, struct packet *packet)
{
	const struct iphdr *ip = frame->start + sizeof(struct ethhdr);

	if (unlikely((void *)(ip + 1) > frame->end)) {
		packet->verdict = VERDICT_NOT_OURS;
		return false;
	}
	packet->ip = ip;
	if (unlikely(*(const __u8 *)ip != IPV4_PLAIN_HEADER)) {
		bool options = ip->version == 4 && ip->ihl > 5;
		packet->verdict = options ? VERDICT_IP_OPTIONS : VERDICT_MALFORMED;
		return false;
	}
	if (unlikely(ip->frag_off & bpf_htons(IPV4_FRAGMENT_BITS))) {
		packet->verdict = VERDICT_FRAGMENT;
		return false;
	}
	packet->protocol = ip->protocol;
	return parse_transport(frame, ip + 1, packet);
}

/* The same for IPv6. */
static __always_inline bool parse_ipv6(const struct frame *frame, struct packet *packet)
{
	const struct ipv6hdr *ip6 = frame->start + sizeof(struct ethhdr);

	if (unlikely((void *)(ip6 + 1) > frame->end)) {
		packet->verdict = VERDICT_NOT_OURS;
		return false;
	}
	packet->ip6 = ip6;
	if (unlikely(ip6->version != 6)) {
		packet->verdict = VERDICT_MALFORMED;
		return false;
	}
	if (unlikely(ip6->nexthdr == IPV6_FRAGMENT_HEADER)) {
		packet->verdict = VERDICT_FRAGMENT;
		return false;
	}
	packet->protocol = ip6->nexthdr;
	return parse_transport(frame, ip6 + 1, packet);
}
