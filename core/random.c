#include "core/random.h"

#include <math.h>

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

/* splitmix64 spreads the seed over the state. */
void ntk_random_init(struct ntk_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        random->state[i] = z ^ z >> 31;
    }
}

uint64_t ntk_random_bits(struct ntk_random *random)
{
    uint64_t *s = random->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double ntk_random_uniform(struct ntk_random *random)
{
    return (double)(ntk_random_bits(random) >> 11) * 0x1p-53;
}

/* Box and Muller; the second of each pair is not kept, so that a stream has no hidden state. */
double ntk_random_normal(struct ntk_random *random)
{
    double radius = sqrt(-2 * log(1 - ntk_random_uniform(random)));
    return radius * cos(2 * M_PI * ntk_random_uniform(random));
}
