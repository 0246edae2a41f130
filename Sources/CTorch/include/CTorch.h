// The part of libtorch that AnytimeNAS uses, as a table of C functions.
//
// The table is in a library of its own, libAnytimeTorch, which `ct_open` loads when the first tensor is needed: a
// command that trains nothing starts without the hundreds of libraries behind libtorch.
//
// Functions that return a handle return NULL on failure, functions that return an int a non-zero value;
// `last_error` then tells why, per thread. Every handle that is returned belongs to the caller, who frees
// it with `free`. Images are [count, channels, height, width].
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// To be counted up with every change of `ct_functions`: a library of another interface is refused.
#define CT_INTERFACE 5

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"
#pragma clang assume_nonnull begin

typedef struct ct_tensor ct_tensor;

// The size of images in groups.
typedef struct {
  int64_t images, height, width;
} ct_geometry;

// A convolution with batch norm: its weight [out, in, 1, 1] or [out, in, 3, 3]; the scale and shift of batch norm,
// which it may lack; and the running statistics, which are updated in training and used otherwise.
typedef struct {
  const ct_tensor *weight;
  const ct_tensor *_Nullable gamma, *_Nullable beta;
  ct_tensor *mean, *variance;
} ct_unit;

// How batch norm is done: by the batch's own statistics if training; `momentum` is the weight of a batch in the running
// ones. Then a rectifier, or not. `fused`: whether products and sums of convolutions are rounded once.
typedef struct {
  int training, rectifies, fused;
  double momentum, epsilon;
} ct_norm;

typedef struct {
  // CT_INTERFACE, and the bytes of this table.
  int32_t interface, bytes;

  const char *_Nonnull (*_Nonnull last_error)(void);
  // The version of libtorch.
  const char *_Nullable (*_Nonnull version)(void);
  // The instruction level that its kernels use on this machine.
  const char *_Nullable (*_Nonnull level)(void);
  // The number of threads within an operation, and malloc's thresholds.
  int (*_Nonnull start)(int threads);
  // Where this thread's new tensors lie from now on: `cpu`, `cuda`, `cuda:1`.
  int (*_Nonnull set_device)(const char *name);
  // Whether only operations that can be differentiated twice are used on this thread; returns what was before.
  int (*_Nonnull set_twice_differentiable)(int on);

  ct_tensor *_Nullable (*_Nonnull from_floats)(const float *values, const int64_t *shape, int rank);
  ct_tensor *_Nullable (*_Nonnull from_doubles)(const double *values, const int64_t *shape, int rank);
  ct_tensor *_Nullable (*_Nonnull from_integers)(const int64_t *values, int64_t count);
  ct_tensor *_Nullable (*_Nonnull zeros)(const int64_t *shape, int rank);
  ct_tensor *_Nullable (*_Nonnull zeros_like)(const ct_tensor *tensor);
  // A copy that nothing is recorded of.
  ct_tensor *_Nullable (*_Nonnull copy)(const ct_tensor *tensor);
  void (*_Nonnull free)(ct_tensor *tensor);
  int64_t (*_Nonnull count)(const ct_tensor *tensor);
  int (*_Nonnull rank)(const ct_tensor *tensor);
  int64_t (*_Nonnull size)(const ct_tensor *tensor, int dimension);
  int (*_Nonnull copy_floats)(const ct_tensor *tensor, float *values);
  int (*_Nonnull copy_doubles)(const ct_tensor *tensor, double *values);
  // tensor = source and tensor += factor source, unrecorded.
  int (*_Nonnull assign)(ct_tensor *tensor, const ct_tensor *source);
  int (*_Nonnull increase)(ct_tensor *tensor, const ct_tensor *source, double factor);

  // Marks a leaf whose gradient is wanted.
  int (*_Nonnull require_gradient)(ct_tensor *tensor);
  // The gradient that `backward` left; zeros if none.
  ct_tensor *_Nullable (*_Nonnull gradient)(const ct_tensor *tensor);
  int (*_Nonnull backward)(const ct_tensor *loss);
  // The same for some leaves alone; nothing that only others need is computed.
  int (*_Nonnull backward_to)(const ct_tensor *loss, ct_tensor *const *inputs, int count);
  // The gradients themselves, zeros where there is no dependence, which may be differentiated again if
  // `create_graph`. `results` holds `count` handles.
  int (*_Nonnull gradients)(const ct_tensor *loss, ct_tensor *const *inputs, int count, int create_graph,
      ct_tensor **results);
  int (*_Nonnull set_gradient)(ct_tensor *tensor, const ct_tensor *gradient);
  // Scales gradients so that their common norm is at most `limit`, as torch.nn.utils.clip_grad_norm_.
  int (*_Nonnull clip_gradients)(ct_tensor *const *tensors, int count, double limit, double *norm);
  // Turns the recording of gradients on or off for this thread; returns whether it was on.
  int (*_Nonnull set_recording)(int on);

  // max(0, x)
  ct_tensor *_Nullable (*_Nonnull relu)(const ct_tensor *x);
  // a + factor b
  ct_tensor *_Nullable (*_Nonnull add)(const ct_tensor *a, const ct_tensor *b, double factor);
  ct_tensor *_Nullable (*_Nonnull multiply)(const ct_tensor *a, const ct_tensor *b);
  ct_tensor *_Nullable (*_Nonnull scale)(const ct_tensor *x, double factor);
  ct_tensor *_Nullable (*_Nonnull tanh)(const ct_tensor *x);
  ct_tensor *_Nullable (*_Nonnull sum)(const ct_tensor *x);
  // Over the last dimension; its logarithm if wanted.
  ct_tensor *_Nullable (*_Nonnull softmax)(const ct_tensor *x, int logarithm);
  // One at the greatest number and zero elsewhere, with the gradient of `soft` itself.
  ct_tensor *_Nullable (*_Nonnull straight_through)(const ct_tensor *soft);
  // x [count, in], weight [out, in].
  ct_tensor *_Nullable (*_Nonnull dense)(const ct_tensor *x, const ct_tensor *weight);
  // One step of an LSTM; weights: input [4h, in], hidden [4h, h], and the two biases. `results`: h and c.
  int (*_Nonnull lstm_cell)(const ct_tensor *x, const ct_tensor *h, const ct_tensor *c, ct_tensor *const *weights,
      ct_tensor **results);
  ct_tensor *_Nullable (*_Nonnull concatenate)(ct_tensor *const *tensors, int count, int dimension);
  // Channels start..<end.
  ct_tensor *_Nullable (*_Nonnull channels)(const ct_tensor *x, int64_t start, int64_t end);
  // x [count, in], weight [in, out], bias [out].
  ct_tensor *_Nullable (*_Nonnull linear)(const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias);
  // Mean cross-entropy of logits [count, classes] and labels [count].
  ct_tensor *_Nullable (*_Nonnull cross_entropy)(const ct_tensor *logits, const ct_tensor *labels);
  // How many rows have their greatest logit at the label; rows with NaN never do. Negative on failure.
  int64_t (*_Nonnull count_correct)(const ct_tensor *logits, const ct_tensor *labels);
  // The rows at some places.
  ct_tensor *_Nullable (*_Nonnull select)(const ct_tensor *x, const int64_t *_Nullable places, int64_t count);
  // Rows start..<end, sharing memory.
  ct_tensor *_Nullable (*_Nonnull rows)(const ct_tensor *x, int64_t start, int64_t end);

  // One step of stochastic gradient descent with (Nesterov) momentum, as torch.optim.SGD; clears gradients.
  int (*_Nonnull sgd_step)(ct_tensor *const *parameters, ct_tensor *const *velocities, int count,
      double learning_rate, double momentum, double weight_decay, int nesterov);
  // One step of RMSProp with momentum, as TensorFlow's RMSPropOptimizer; clears gradients.
  int (*_Nonnull rmsprop_step)(ct_tensor *const *parameters, ct_tensor *const *squares, ct_tensor *const *velocities,
      int count, double learning_rate, double decay, double momentum, double epsilon, double weight_decay);
  // One step of Adam, as torch.optim.Adam; clears gradients. `step` counts from 1.
  int (*_Nonnull adam_step)(ct_tensor *const *parameters, ct_tensor *const *means, ct_tensor *const *squares,
      int count, int64_t step, double learning_rate, double beta1, double beta2, double epsilon, double weight_decay);

  // Images in groups of sixteen, for networks of few channels: [groups, channels, pixels x 16], the images of a
  // group side by side at every pixel. Sums, ranges of channels and concatenations of groups are groups; what the
  // following make of them has the values and gradients of the library's own operations on images. In double precision,
  // on another device, and where gradients will be differentiated again, they remain images, and the following are the
  // library's own operations.

  // Of images [count, channels, height, width], and back.
  ct_tensor *_Nullable (*_Nonnull groups)(const ct_tensor *images);
  ct_tensor *_Nullable (*_Nonnull ungrouped)(const ct_tensor *x, ct_geometry size);
  // Units of the same images. `results` holds `count` handles.
  int (*_Nonnull group_units)(const ct_tensor *x, ct_geometry size, const ct_unit *_Nullable units, int count,
      ct_norm norm, ct_tensor *_Nullable *_Nonnull results);
  // The sum of units and, if `pools`, of a 3x3 max pooling, each times its weight if there are weights. They see the
  // first of `parts` equal parts of the channels; the others pass by, and all channels are dealt out among the parts.
  ct_tensor *_Nullable (*_Nonnull group_operations)(const ct_tensor *x, ct_geometry size,
      const ct_unit *_Nullable units, int count, int pools, const ct_tensor *_Nullable weights, int64_t parts,
      ct_norm norm);
  // Max pooling: 3x3 windows, stride 1, padding 1; and 2x2 windows, stride 2, rounding up.
  ct_tensor *_Nullable (*_Nonnull group_pool)(const ct_tensor *x, ct_geometry size, int64_t window, int64_t padding);
  // Mean over height and width: [count, channels].
  ct_tensor *_Nullable (*_Nonnull group_mean)(const ct_tensor *x, ct_geometry size);
  // Every image times its own factor; factors [count].
  ct_tensor *_Nullable (*_Nonnull group_scale)(const ct_tensor *x, ct_geometry size, const ct_tensor *factors);
  // The sum of images, of which tensors[k] begins at channel starts[k] of the result, which has `channels`; zeros where
  // there are none. If `reuses`, the memory of tensors[0] may become the result's.
  ct_tensor *_Nullable (*_Nonnull group_place)(ct_tensor *const *tensors, const int64_t *starts, int count,
      int64_t channels, int reuses);
  // weights[0] tensors[0] + weights[1] tensors[1] + …: one node of the graph.
  ct_tensor *_Nullable (*_Nonnull mixture)(const ct_tensor *weights, ct_tensor *const *tensors, int count);
  // weights[0] tensors[0] + concatenation of weights[k] tensors[k] along the channels: likewise.
  ct_tensor *_Nullable (*_Nonnull weighted_concatenation)(const ct_tensor *weights, ct_tensor *const *tensors,
      int count);
} ct_functions;

// The table of the library that is loaded, at first use; on every later call the same. Where there is no library,
// `last_error` says so, and whatever begins without a tensor fails.
const ct_functions *ct_open(void);

#pragma clang assume_nonnull end
#pragma clang diagnostic pop

#ifdef __cplusplus
}
#endif
