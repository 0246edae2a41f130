// The part of libtorch that AnytimeNAS uses, as a C interface.
//
// Functions that return a handle return NULL on failure, functions that return an int a non-zero value;
// `ct_last_error` then tells why, per thread. Every handle that is returned belongs to the caller, who frees
// it with `ct_free`. Images are [count, channels, height, width].
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_tensor ct_tensor;

const char *ct_last_error(void);
// The version of the library; NULL if the package was built without it.
const char *ct_version(void);
// The number of threads within an operation, and malloc's thresholds.
int ct_start(int threads);
// Where new tensors lie from now on: `cpu`, `cuda`, `cuda:1`.
int ct_set_device(const char *name);
// Whether only operations that can be differentiated twice are used on this thread; returns what was before.
int ct_set_twice_differentiable(int on);

ct_tensor *ct_from_floats(const float *values, const int64_t *shape, int rank);
ct_tensor *ct_from_doubles(const double *values, const int64_t *shape, int rank);
ct_tensor *ct_from_integers(const int64_t *values, int64_t count);
ct_tensor *ct_zeros(const int64_t *shape, int rank);
ct_tensor *ct_zeros_like(const ct_tensor *tensor);
// A copy that nothing is recorded of.
ct_tensor *ct_copy(const ct_tensor *tensor);
void ct_free(ct_tensor *tensor);
int64_t ct_count(const ct_tensor *tensor);
int ct_rank(const ct_tensor *tensor);
int64_t ct_size(const ct_tensor *tensor, int dimension);
int ct_copy_floats(const ct_tensor *tensor, float *values);
int ct_copy_doubles(const ct_tensor *tensor, double *values);
// tensor = source and tensor += factor source, unrecorded.
int ct_assign(ct_tensor *tensor, const ct_tensor *source);
int ct_increase(ct_tensor *tensor, const ct_tensor *source, double factor);

// Marks a leaf whose gradient is wanted.
int ct_require_gradient(ct_tensor *tensor);
// The gradient that `ct_backward` left; zeros if none.
ct_tensor *ct_gradient(const ct_tensor *tensor);
int ct_backward(const ct_tensor *loss);
// The same for some leaves alone; nothing that only others need is computed.
int ct_backward_to(const ct_tensor *loss, ct_tensor *const *inputs, int count);
// The gradients themselves, zeros where there is no dependence, which may be differentiated again if
// `create_graph`. `results` holds `count` handles.
int ct_gradients(const ct_tensor *loss, ct_tensor *const *inputs, int count, int create_graph,
                 ct_tensor **results);
int ct_set_gradient(ct_tensor *tensor, const ct_tensor *gradient);
// Scales gradients so that their common norm is at most `limit`, as torch.nn.utils.clip_grad_norm_.
int ct_clip_gradients(ct_tensor *const *tensors, int count, double limit, double *norm);
// Turns the recording of gradients on or off for this thread; returns whether it was on.
int ct_set_recording(int on);

ct_tensor *ct_convolution(const ct_tensor *x, const ct_tensor *weight, int padding);
// `mean` and `variance` are updated in training and used otherwise.
ct_tensor *ct_batch_norm(const ct_tensor *x, const ct_tensor *gamma, const ct_tensor *beta, ct_tensor *mean,
                         ct_tensor *variance, int training, double momentum, double epsilon);
// Batch norm and rectifier in one: vectorised, with the values and gradients of the library's own.
ct_tensor *ct_batch_norm_relu(const ct_tensor *x, const ct_tensor *gamma, const ct_tensor *beta,
                              ct_tensor *mean, ct_tensor *variance, int training, double momentum,
                              double epsilon);
// In place on a tensor that nothing else reads.
ct_tensor *ct_relu(ct_tensor *x);
// a + factor b
ct_tensor *ct_add(const ct_tensor *a, const ct_tensor *b, double factor);
ct_tensor *ct_multiply(const ct_tensor *a, const ct_tensor *b);
ct_tensor *ct_scale(const ct_tensor *x, double factor);
ct_tensor *ct_tanh(const ct_tensor *x);
ct_tensor *ct_sum(const ct_tensor *x);
// Over the last dimension; its logarithm if wanted.
ct_tensor *ct_softmax(const ct_tensor *x, int logarithm);
// One at the greatest number and zero elsewhere, with the gradient of `soft` itself.
ct_tensor *ct_straight_through(const ct_tensor *soft);
// weights[0] tensors[0] + weights[1] tensors[1] + …: one node of the graph, vectorised.
ct_tensor *ct_mixture(const ct_tensor *weights, ct_tensor *const *tensors, int count);
// weights[0] tensors[0] + concatenation of weights[k] tensors[k] along the channels: likewise.
ct_tensor *ct_weighted_concatenation(const ct_tensor *weights, ct_tensor *const *tensors, int count);
// Channels dealt out among groups, as PC-DARTS does.
ct_tensor *ct_shuffle_channels(const ct_tensor *x, int64_t groups);
// x [count, in], weight [out, in].
ct_tensor *ct_dense(const ct_tensor *x, const ct_tensor *weight);
ct_tensor *ct_transpose(const ct_tensor *x);
// One step of an LSTM; weights: input [4h, in], hidden [4h, h], and the two biases. `results`: h and c.
int ct_lstm_cell(const ct_tensor *x, const ct_tensor *h, const ct_tensor *c, ct_tensor *const *weights,
                 ct_tensor **results);
// 3x3 windows, stride 1, padding 1: vectorised, with the values and gradients of the library's own.
ct_tensor *ct_max_pool_3x3(const ct_tensor *x);
// The library's own max pooling.
ct_tensor *ct_max_pool(const ct_tensor *x, int window, int stride, int padding);
ct_tensor *ct_average_pool(const ct_tensor *x, int window);
ct_tensor *ct_concatenate(ct_tensor *const *tensors, int count, int dimension);
// Channels start..<end.
ct_tensor *ct_channels(const ct_tensor *x, int64_t start, int64_t end);
// Mean over height and width: [count, channels].
ct_tensor *ct_global_mean(const ct_tensor *x);
// x [count, in], weight [in, out], bias [out].
ct_tensor *ct_linear(const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias);
// Mean cross-entropy of logits [count, classes] and labels [count].
ct_tensor *ct_cross_entropy(const ct_tensor *logits, const ct_tensor *labels);
// How many rows have their greatest logit at the label; rows with NaN never do. Negative on failure.
int64_t ct_count_correct(const ct_tensor *logits, const ct_tensor *labels);
// The rows at some places.
ct_tensor *ct_select(const ct_tensor *x, const int64_t *places, int64_t count);
// Rows start..<end, sharing memory.
ct_tensor *ct_rows(const ct_tensor *x, int64_t start, int64_t end);

// One step of stochastic gradient descent with (Nesterov) momentum, as torch.optim.SGD; clears gradients.
int ct_sgd_step(ct_tensor *const *parameters, ct_tensor *const *velocities, int count, double learning_rate,
                double momentum, double weight_decay, int nesterov);
// One step of RMSProp with momentum, as TensorFlow's RMSPropOptimizer; clears gradients.
int ct_rmsprop_step(ct_tensor *const *parameters, ct_tensor *const *squares, ct_tensor *const *velocities,
                    int count, double learning_rate, double decay, double momentum, double epsilon,
                    double weight_decay);
// One step of Adam, as torch.optim.Adam; clears gradients. `step` counts from 1.
int ct_adam_step(ct_tensor *const *parameters, ct_tensor *const *means, ct_tensor *const *squares, int count,
                 int64_t step, double learning_rate, double beta1, double beta2, double epsilon,
                 double weight_decay);

// Images in groups of sixteen, for networks of few channels: [groups, channels, pixels x 16], the images of a group
// side by side at every pixel. Single precision in this processor only. Sums, ranges of channels and concatenations of
// groups are groups; what the following make of them has the values and gradients of the library's own operations on
// images.
typedef struct {
  int64_t images, height, width;
} ct_geometry;
// Of images [count, channels, height, width], and back.
ct_tensor *ct_groups(const ct_tensor *images);
ct_tensor *ct_ungrouped(const ct_tensor *x, ct_geometry size);
// Convolution with 1x1 or 3x3 windows and borders of zeros, batch norm, rectifier.
ct_tensor *ct_group_unit(const ct_tensor *x, ct_geometry size, const ct_tensor *weight, const ct_tensor *gamma,
                         const ct_tensor *beta, ct_tensor *mean, ct_tensor *variance, int training, double momentum,
                         double epsilon);
// Max pooling: 3x3 windows, stride 1, padding 1; and 2x2 windows, stride 2, rounding up.
ct_tensor *ct_group_pool(const ct_tensor *x, ct_geometry size, int64_t window);
// Mean over height and width: [count, channels].
ct_tensor *ct_group_mean(const ct_tensor *x, ct_geometry size);

#ifdef __cplusplus
}
#endif
