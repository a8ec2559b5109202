// oneDNN as a peer; PeerProcess.cs has the protocol. All memory is allocated ahead.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <dnnl.hpp>

using namespace dnnl;

template <typename T>
static void read(const std::string &path, T *values, size_t count) {
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char *>(values), count * sizeof(T))) throw std::runtime_error("cannot read " + path);
}

// oneDNN 3 renamed these, and merged the descriptors of operations into those of primitives.
#if DNNL_VERSION_MAJOR >= 3
using forward_primitive = softmax_forward;
using backward_primitive = softmax_backward;
#else
using forward_primitive = softmax_v2_forward;
using backward_primitive = softmax_v2_backward;
#endif

static forward_primitive::primitive_desc describe_forward(const engine &cpu, const memory::desc &matrix) {
#if DNNL_VERSION_MAJOR >= 3
  return {cpu, prop_kind::forward_training, algorithm::softmax_log, matrix, matrix, 1};
#else
  return {forward_primitive::desc(prop_kind::forward_training, algorithm::softmax_log, matrix, matrix, 1), cpu};
#endif
}

static backward_primitive::primitive_desc describe_backward(
    const engine &cpu, const memory::desc &matrix, const forward_primitive::primitive_desc &forward) {
#if DNNL_VERSION_MAJOR >= 3
  return {cpu, algorithm::softmax_log, matrix, matrix, matrix, 1, forward};
#else
  return {backward_primitive::desc(algorithm::softmax_log, matrix, matrix, matrix, 1), cpu, forward};
#endif
}

int main(int, char **argv) {
  const std::string folder = argv[1];
  const int64_t tokens = std::atoll(argv[2]), vocabulary = std::atoll(argv[3]);
  const double scale = std::atof(argv[5]) / tokens; // argv[4], the threads, is OMP_NUM_THREADS

  engine cpu(engine::kind::cpu, 0);
  stream stream(cpu);
  const memory::desc matrix({tokens, vocabulary}, memory::data_type::f32, memory::format_tag::ab);
  memory logits(matrix, cpu), log_probabilities(matrix, cpu), upstream(matrix, cpu), gradient(matrix, cpu);
  const auto floats = [](memory &of) { return static_cast<float *>(of.get_data_handle()); };

  std::vector<int64_t> targets(tokens);
  read(folder + "/logits.f32", floats(logits), tokens * vocabulary);
  read(folder + "/targets.i64", targets.data(), tokens);
  std::fill_n(floats(upstream), tokens * vocabulary, 0.0f); // d(total) / d(log-probabilities)
  for (int64_t t = 0; t < tokens; t++) floats(upstream)[t * vocabulary + targets[t]] = static_cast<float>(-scale);

  const auto forward_desc = describe_forward(cpu, matrix);
  const auto backward_desc = describe_backward(cpu, matrix, forward_desc);
  const forward_primitive log_softmax(forward_desc);
  const backward_primitive log_softmax_backward(backward_desc);

  const auto forward = [&] {
    log_softmax.execute(stream, {{DNNL_ARG_SRC, logits}, {DNNL_ARG_DST, log_probabilities}});
    stream.wait();
    double sum = 0;
    for (int64_t t = 0; t < tokens; t++) sum -= floats(log_probabilities)[t * vocabulary + targets[t]];
    return sum / tokens;
  };
  const auto backward = [&] {
    const double loss = forward();
    log_softmax_backward.execute(stream,
      {{DNNL_ARG_DST, log_probabilities}, {DNNL_ARG_DIFF_DST, upstream}, {DNNL_ARG_DIFF_SRC, gradient}});
    stream.wait();
    return loss;
  };

  const dnnl_version_t *version = dnnl_version();
  const auto announce = [&](const char *work, const char *name, double loss) {
    std::printf("%s\toneDNN %d.%d.%d\t%s\t%.9g", work, version->major, version->minor, version->patch, name, loss);
  };
  announce("Forward", "logsoftmax", forward());
  announce("\nGradient", "logsoftmax, its backward", backward());
  double dot = 0;
  for (int64_t i = 0; i < tokens * vocabulary; i++) dot += static_cast<double>(floats(gradient)[i]) * floats(logits)[i];
  std::printf("\t%.9g\nready\n", dot);
  std::fflush(stdout);

  const std::function<double()> contenders[] = {forward, backward};
  for (std::string line; std::getline(std::cin, line);) {
    const auto &run = contenders[std::stoi(line)];
    run(); // wakes threads and caches
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    std::printf("%.6f\n", elapsed.count());
    std::fflush(stdout);
  }
}
