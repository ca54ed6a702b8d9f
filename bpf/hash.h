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

/*
 * Two characters of 32 bits, each with a key of 64 bits, in one product, after Multilinear-HM (Lemire and Kaser,
 * "Strongly universal string hashing is fast", 2014). The sums of such products of two different strings have the same
 * upper half under one secret in 2^31: in their difference, a random key stands with a factor that is not 0 and below
 * 2^32. The first character is not masked: what the second adds to it does not change that.
 *
 * With characters of 64 bits, bits at the upper end of a character reach only the upper end of the sum: strings that
 * differ there alone have few sums, whatever the secret.
 */
static __always_inline __u64 keyed(__u64 characters, const volatile __u64 *keys)
{
	return (characters + keys[0]) * ((characters >> 32) + keys[1]);
}

/* Folds and multiplies once more: with sums alone, one secret in a few puts neighbours' flows into few buckets. */
static __always_inline __u64 spread(__u64 sum)
{
	return (sum ^ sum >> 32) * MULTIPLIER_2;
}

/* The upper bits are a flow's first bucket. The secret is random: an attacker cannot fill a bucket on purpose. */
static __always_inline __u64 flow4_hash(__u64 key, const volatile __u64 *secret)
{
	return spread(keyed(key, secret));
}

/* `rest` is one character. */
static __always_inline __u64 flow6_hash(__u64 prefix, __u64 host, __u64 rest, const volatile __u64 *secret)
{
	return spread(keyed(prefix, secret) + keyed(host, secret + 2) + (rest + secret[4]) * secret[5]);
}

/* The upper bits are a flow's second bucket. */
static __always_inline __u64 flow_second_hash(__u64 hash)
{
	return (hash ^ hash >> 32) * MULTIPLIER_3;
}

/* The upper bits are a fragmented packet's bucket. `rest` and `id` are one character each. */
static __always_inline __u64 fragment4_hash(__u64 addresses, __u64 rest, const volatile __u64 *secret)
{
	return spread(keyed(addresses, secret) + (rest + secret[4]) * secret[5]);
}

static __always_inline __u64 fragment6_hash(const __u64 source[2], const __u64 destination[2], __u64 id,
					    const volatile __u64 *secret)
{
	return spread(keyed(source[0], secret) + keyed(source[1], secret + 2) + (id + secret[4]) * secret[5] +
		      keyed(destination[0], secret + 6) + keyed(destination[1], secret + 8));
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
