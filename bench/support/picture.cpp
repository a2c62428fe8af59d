#include "bench/support/picture.hpp"

#include <ostream>
#include <string>

#include "bench/support/study.hpp"
#include "bench/support/table.hpp"
#include "bench/support/unifont.hpp"

namespace attractor::bench {
namespace {

/// Captions and pictures side by side, one for each set.
class Strip {
 public:
  void add(const std::string& caption, const float* glyph) {
    captions_ += "  " + padded(caption, glyph_side);
    glyphs_.push_back(glyph);
  }
  void print(std::ostream& out) const { out << captions_ << '\n' << picture_row(glyphs_) << '\n'; }

 private:
  std::string captions_;
  std::vector<const float*> glyphs_;
};

}  // namespace

void print_pictures(std::ostream& out, const Relaxer& relaxer, const std::vector<const QuerySet*>& sets) {
  const MatrixView<const float> patterns = relaxer.memory().patterns();
  std::vector<Relaxation> results;
  results.reserve(sets.size());
  for (const QuerySet* set : sets) results.push_back(relaxer.relax(set->queries.view().slice(0, 1)));
  Strip before;
  Strip after;
  Strip stored;
  for (std::size_t k = 0; k < sets.size(); ++k) {
    const float* pattern = patterns.row(sets[k]->targets.front());
    const bool recovered = recovery(results[k].states, patterns, {sets[k]->targets.front()}).recovered == 1.0;
    before.add(sets[k]->title(), sets[k]->queries.row(0));
    after.add(std::to_string(results[k].steps.front()) + (recovered ? " steps" : " steps, lost"),
              results[k].states.row(0));
    stored.add("stored", pattern);
  }
  before.print(out);
  after.print(out);
  stored.print(out);
}

}  // namespace attractor::bench
