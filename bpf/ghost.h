/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Ghosts: what is left of services that were removed. Packets of their known flows are dropped, so that the host does
 * not end these flows before the service is back; all other packets are treated as if the service were not there.
 */
#pragma once

#include "delivery.h"
#include "state.h"

/* Whether only a packet of a ghost ends so. */
static __always_inline bool is_of_ghost(enum verdict reason)
{
	return reason == VERDICT_SERVICE_GONE || reason == VERDICT_NO_SERVICE;
}

/* Leads a packet that is of no known flow past the ghost, to the VIP's service for every port. False when none is. */
static __always_inline bool passes_ghost(const struct packet *packet, struct delivery *delivery)
{
	const void *services = services_of(*delivery->copy, delivery->is_ipv6);
	const struct match *vip = services ? match_vip(services, packet, delivery->is_ipv6) : NULL;
	const struct match *wildcard = vip ? match_wildcard(services, packet, vip, delivery->is_ipv6) : NULL;

	if (!wildcard || wildcard == delivery->match)
		return false;
	delivery->match = wildcard;
	NOTE(service, wildcard->number);
	return true;
}

/*
 * Whether the host has a socket that takes a TCP packet, listening or connected. Where it has none, it would answer
 * with a reset.
 */
static __noinline bool host_takes(struct xdp_md *context, const void *ip, const struct ports *ports, bool is_ipv6)
{
	struct bpf_sock_tuple tuple = {};
	const struct ipv6hdr *ip6 = ip;
	const struct iphdr *ip4 = ip;
	__u32 bytes = sizeof(tuple.ipv4);

	if (is_ipv6) {
		bytes = sizeof(tuple.ipv6);
		__builtin_memcpy(tuple.ipv6.saddr, &ip6->saddr, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &ip6->daddr, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = ports->source;
		tuple.ipv6.dport = ports->destination;
	} else {
		tuple.ipv4.saddr = ip4->saddr;
		tuple.ipv4.daddr = ip4->daddr;
		tuple.ipv4.sport = ports->source;
		tuple.ipv4.dport = ports->destination;
	}
	struct bpf_sock *socket = bpf_skc_lookup_tcp(context, &tuple, bytes, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return false;
	bpf_sk_release(socket);
	return true;
}

/*
 * Whether a packet for a service that was removed just now may belong to a flow without an entry: TCP in the middle of
 * a flow, of which the host knows nothing.
 */
static __always_inline bool may_be_of_ghost(struct xdp_md *context, const struct frame *frame,
					    const struct packet *packet, const struct delivery *delivery)
{
	return delivery->match->flags & SERVICE_LINGERS && packet->protocol == IPPROTO_TCP && !packet->passive &&
	       event_of(frame, packet) != EVENT_SYN &&
	       !host_takes(context, packet->ip, packet->ports, delivery->is_ipv6);
}

/* Returns the verdict of a packet for a service that is gone. */
static __always_inline enum verdict verdict_at_ghost(struct xdp_md *context, const struct frame *frame,
						     const struct packet *packet, const struct delivery *delivery,
						     enum verdict reason)
{
	return reason == VERDICT_NO_SERVICE && may_be_of_ghost(context, frame, packet, delivery) ? VERDICT_SERVICE_GONE
												 : reason;
}
