/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The hash functions that the program and the control plane's sweeper (native/src/flows.cc) share: what spreads flows
 * over a ring and over the flow tables, and IPVS's hashes for sh and mh. They need no packet and no map.
 */
#pragma once

#include "layout.h"

/* Multiply, fold, multiply: one round of murmur3's finaliser. The well-mixed bits are the upper ones. */
static __always_inline __u64 mix(__u64 value)
{
	value *= MULTIPLIER_1;
	value ^= value >> 32;
	return value * MULTIPLIER_2;
}

/* The upper bits are a flow's slot, the same on every director. The port is as it lies in the packet. */
static __always_inline __u64 ring_hash4(__u32 client, __u16 port)
{
	return mix((__u64)port << 32 | client);
}

/* Spreads the port over the whole word first: else clients of one network would cancel it out with their addresses. */
static __always_inline __u64 ring_hash6(__u64 prefix, __u64 host, __u16 port)
{
	prefix = mix(prefix);
	return mix(prefix ^ prefix >> 32 ^ (host + port * MULTIPLIER_3));
}

/* Folds and multiplies once more: with products alone, one secret in a few puts neighbours' flows into few buckets. */
static __always_inline __u64 spread(__u64 product)
{
	return (product ^ product >> 32) * MULTIPLIER_2;
}

/*
 * The upper bits are a flow's first bucket: multilinear hashing under a random secret (Lemire and Kaser, 2014), so that
 * an attacker cannot fill a bucket on purpose.
 */
static __always_inline __u64 flow4_hash(__u64 key, __u64 secret)
{
	return spread(key * secret);
}

static __always_inline __u64 flow6_hash(__u64 prefix, __u64 host, __u64 rest, __u64 secret)
{
	return spread(prefix * secret + host * (secret << 21 | secret >> 43) + rest * (secret << 42 | secret >> 22));
}

/* The upper bits are a flow's second bucket. */
static __always_inline __u64 flow_second_hash(__u64 hash)
{
	return (hash ^ hash >> 32) * MULTIPLIER_3;
}

static __always_inline __u64 rotate(__u64 value, __u32 bits)
{
	return value << bits | value >> (64 - bits);
}

static __always_inline void sip_round(__u64 v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* The lower half of SipHash-1-3 of one 32-bit word under mh's key (Aumasson and Bernstein, 2012; Linux's hsiphash). */
static __always_inline __u32 mh_hash(__u32 word)
{
	__u64 block = 4ULL << 56 | word;
	__u64 v[4] = {
		MH_KEY ^ 0x736f6d6570736575ULL,
		MH_KEY ^ 0x646f72616e646f6dULL,
		MH_KEY ^ 0x6c7967656e657261ULL,
		MH_KEY ^ 0x7465646279746573ULL ^ block,
	};

	sip_round(v);
	v[0] ^= block;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot of sh's table: the upper eight bits of hash_32() (include/linux/hash.h). See hashed_word(). */
static __always_inline __u32 sh_slot(__u32 word)
{
	return word * SH_MULTIPLIER >> 24;
}

static __always_inline __u32 mh_slot(__u32 word)
{
	return mh_hash(word) % MH_SLOTS;
}
