// The library that is loaded at run time: libtorch as CTorch's table of functions. It needs no Swift:
//
//     clang++ -std=c++17 -O2 -fPIC -shared -ISources/CTorch/include -ISources/AnytimeTorch/include \
//         Sources/AnytimeTorch/*.cpp -ltorch_cpu -lc10 -o libAnytimeTorch.so
#pragma once

#include "CTorch.h"

#ifdef __cplusplus
extern "C" {
#endif

// The one symbol that is looked up. Never NULL.
const ct_functions *_Nonnull anytime_torch(void);

#ifdef __cplusplus
}
#endif
