"""Golden values for RandomGenerator, by an independent implementation. Run: python3 xoshiro.py"""

M = (1 << 64) - 1


def splitmix(x):
    x = (x + 0x9E3779B97F4A7C15) & M
    z = x
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
    return x, z ^ (z >> 31)


def rotl(x, k):
    return ((x << k) | (x >> (64 - k))) & M


def draws(seed, stream, count):
    name = 0xCBF29CE484222325
    for byte in stream.encode():
        name = ((name ^ byte) * 0x100000001B3) & M
    _, mixed = splitmix(seed)
    x, s = mixed ^ name, []
    for _ in range(4):
        x, z = splitmix(x)
        s.append(z)
    for _ in range(count):
        yield (rotl((s[1] * 5) & M, 7) * 9) & M
        t = (s[1] << 17) & M
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)


if __name__ == "__main__":
    print([hex(value) for value in draws(7, "optimizer", 4)])
