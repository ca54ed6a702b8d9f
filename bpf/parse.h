/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a frame's bytes to the few facts that scheduling needs, for the plain case: an untagged frame with a whole TCP
 * or UDP packet and no IP options. Everything else is told apart here and taken up in unusual.h.
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
/* IPv4's more-fragments flag and fragment offset (RFC 791, 3.1): both zero when the packet is whole. */
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff

/* The bytes that the driver handed over; every read is checked against `end`. */
struct frame {
	void *start;
	void *end;
	__u32 tags; /* VLAN tags before the IP header: 0, 1 or 2 */
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

/* What scheduling needs. Headers stay in the frame; what is pointed to is read when it is needed. */
struct packet {
	union {
		const struct iphdr *ip;
		const struct ipv6hdr *ip6;
	};
	const void *client;        /* the client's address, 4 or 16 bytes */
	const struct tcphdr *tcp;  /* NULL when this is not the beginning of a TCP segment */
	const struct ports *ports; /* the client's, then the service's */
	__u8 protocol;             /* IPPROTO_TCP or IPPROTO_UDP */
	bool passive;              /* says nothing of its flow's state: an ICMP error, a later fragment */
};

/* Whether this is the first packet of a flow, as far as the packet tells: a TCP SYN without ACK. */
static __always_inline bool opens_flow(const struct packet *packet)
{
	return packet->tcp && packet->tcp->syn && !packet->tcp->ack;
}

/* The ports of a TCP or UDP header at `transport`; false when it is neither, or not there whole. */
static __always_inline bool parse_transport(const struct frame *frame, const void *transport, __u8 protocol,
					    struct packet *packet)
{
	packet->protocol = protocol;
	if (likely(protocol == IPPROTO_TCP)) {
		if (unlikely(transport + sizeof(struct tcphdr) > frame->end))
			return false;
		packet->tcp = transport;
	} else if (protocol != IPPROTO_UDP || unlikely(transport + sizeof(struct udphdr) > frame->end)) {
		return false;
	}
	packet->ports = transport;
	return true;
}

/* False when the packet is not a plain one. */
static __always_inline bool parse_plain_ipv4(const struct frame *frame, struct packet *packet)
{
	const struct iphdr *ip = frame->start + sizeof(struct ethhdr);

	if (unlikely((void *)(ip + 1) > frame->end))
		return false;
	if (unlikely(*(const __u8 *)ip != IPV4_PLAIN_HEADER))
		return false;
	if (unlikely(ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)))
		return false;
	packet->ip = ip;
	packet->client = &ip->saddr;
	return parse_transport(frame, ip + 1, ip->protocol, packet);
}

/* The same for IPv6. */
static __always_inline bool parse_plain_ipv6(const struct frame *frame, struct packet *packet)
{
	const struct ipv6hdr *ip6 = frame->start + sizeof(struct ethhdr);

	if (unlikely((void *)(ip6 + 1) > frame->end))
		return false;
	if (unlikely(ip6->version != 6))
		return false;
	packet->ip6 = ip6;
	packet->client = &ip6->saddr;
	return parse_transport(frame, ip6 + 1, ip6->nexthdr, packet);
}
