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

/* Gamma(a), a >= 1: d (1 + c z)^3 with d = a - 1/3, c = 1 / sqrt(9 d) for normal z is close to it.
 */
static double draw_gamma(struct ntk_random *random, double a)
{
    double d = a - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double z = ntk_random_normal(random), root = 1 + c * z, cube = root * root * root;
        double u = 1 - ntk_random_uniform(random);
        if (root > 0 && log(u) < z * z / 2 + d * (1 - cube + log(cube)))
            return d * cube;
    }
}

/* Below one, Gamma(a) is Gamma(a + 1) times u^(1/a). */
double ntk_random_chi_square(struct ntk_random *random, double degrees)
{
    double a = degrees / 2;
    if (a >= 1)
        return 2 * draw_gamma(random, a);
    double u = 1 - ntk_random_uniform(random);
    return 2 * draw_gamma(random, a + 1) * pow(u, 1 / a);
}
