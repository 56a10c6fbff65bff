#include "merge.hpp"

#include <algorithm>

#include "hits.hpp"

namespace bitsieve {

void merge(const std::vector<Part>& parts, size_t n_queries, size_t k, int64_t* ids, float* scores) {
    std::vector<size_t> heads(parts.size());  // how many of each part's are taken
    for (size_t q = 0; q < n_queries; q++, ids += k, scores += k) {
        std::fill(heads.begin(), heads.end(), 0);
        for (size_t i = 0; i < k; i++) {
            ids[i] = NO_ID, scores[i] = NO_SCORE;
            size_t* taken = nullptr;
            for (size_t p = 0; p < parts.size(); p++) {
                const size_t place = q * k + heads[p];
                if (heads[p] == k || parts[p].ids[place] < 0) continue;
                if (taken && parts[p].scores[place] <= scores[i]) continue;
                ids[i] = parts[p].first + parts[p].ids[place], scores[i] = parts[p].scores[place];
                taken = &heads[p];
            }
            if (taken) ++*taken;
        }
    }
}

}  // namespace bitsieve
