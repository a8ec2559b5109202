// oneDNN as a peer; PeerProcess.cs has the protocol. Outputs go to memory that is allocated ahead, or that each run allocates, as one
// does who calls oneDNN without a thought for it.

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
  memory logits(matrix, cpu), upstream(matrix, cpu);
  const auto floats = [](const memory &of) { return static_cast<float *>(of.get_data_handle()); };

  std::vector<int64_t> targets(tokens);
  read(folder + "/logits.f32", floats(logits), tokens * vocabulary);
  read(folder + "/targets.i64", targets.data(), tokens);
  std::fill_n(floats(upstream), tokens * vocabulary, 0.0f); // d(total) / d(log-probabilities)
  for (int64_t t = 0; t < tokens; t++) floats(upstream)[t * vocabulary + targets[t]] = static_cast<float>(-scale);

  const auto forward_desc = describe_forward(cpu, matrix);
  const auto backward_desc = describe_backward(cpu, matrix, forward_desc);
  const forward_primitive log_softmax(forward_desc);
  const backward_primitive log_softmax_backward(backward_desc);

  struct outputs {
    memory log_probabilities, gradient;
  };
  const auto forward = [&](const outputs &to) {
    log_softmax.execute(stream, {{DNNL_ARG_SRC, logits}, {DNNL_ARG_DST, to.log_probabilities}});
    stream.wait();
    double sum = 0;
    for (int64_t t = 0; t < tokens; t++) sum -= floats(to.log_probabilities)[t * vocabulary + targets[t]];
    return sum / tokens;
  };
  const auto backward = [&](const outputs &to) {
    const double loss = forward(to);
    log_softmax_backward.execute(stream,
      {{DNNL_ARG_DST, to.log_probabilities}, {DNNL_ARG_DIFF_DST, upstream}, {DNNL_ARG_DIFF_SRC, to.gradient}});
    stream.wait();
    return loss;
  };
  const auto dot = [&](const outputs &of) {
    double sum = 0;
    for (int64_t i = 0; i < tokens * vocabulary; i++) sum += static_cast<double>(floats(of.gradient)[i]) * floats(logits)[i];
    return sum;
  };

  const dnnl_version_t *version = dnnl_version();
  const auto announce = [&](const char *work, const char *where, const char *name, double loss) {
    std::printf("%s\t%s\toneDNN %d.%d.%d\t%s\t%.9g", work, where, version->major, version->minor, version->patch, name, loss);
  };
  const outputs ahead{memory(matrix, cpu), memory(matrix, cpu)};
  std::vector<std::function<void()>> contenders;
  for (const bool fresh : {false, true}) {
    const char *where = fresh ? "Fresh" : "Reused";
    const outputs first = fresh ? outputs{memory(matrix, cpu), memory(matrix, cpu)} : ahead;
    announce("Forward", where, "logsoftmax", forward(first));
    announce("\nGradient", where, "logsoftmax, its backward", backward(first));
    std::printf("\t%.9g\n", dot(first));
    if (fresh) {
      contenders.push_back([&] { forward({memory(matrix, cpu), memory()}); });
      contenders.push_back([&] { backward({memory(matrix, cpu), memory(matrix, cpu)}); });
    } else {
      contenders.push_back([&] { forward(ahead); });
      contenders.push_back([&] { backward(ahead); });
    }
  }
  std::printf("ready\n");
  std::fflush(stdout);

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
