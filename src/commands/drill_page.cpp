#include "commands/drill_page.h"

#include <fmt/core.h>

#include <algorithm>

#include "anomctl/deploy/container_images.h"
#include "commands/html_text.h"
#include "embedded/drill_page.h"

namespace anomctl {
namespace {

// 0 none, 4 all.
int shade(const DrillCase& c) {
  return c.found == 0 ? 0 : std::max(1, static_cast<int>(4 * c.found / std::max<std::int64_t>(1, c.tried)));
}

std::string cell(const DrillCase& c) {
  if (c.tried == 0) return R"(<td class="none" title="the sensor stands still there">&ndash;</td>)";
  std::string title = fmt::format("found in {} of {} places", c.found, c.tried);
  if (c.found > 0)
    title += fmt::format(", half of them within {:.0f} rows; named first in {}", c.delay_rows + 1, c.named);
  return fmt::format(R"(<td class="f{}" title="{}">{}/{}</td>)", shade(c), title, c.found, c.tried);
}

}  // namespace

bool is_found(const DrillCase& c) {
  return c.tried > 0 && static_cast<double>(c.found) >= kFoundShare * static_cast<double>(c.tried);
}

std::string drill_html(const DrillPage& page) {
  const std::vector<DrillCase>& cases = page.drill.cases;
  std::string kinds, sizes, body, words;
  for (const std::string& sentence : page.sentences) words += "<li>" + html_text(sentence) + "</li>\n";
  for (std::size_t i = 0; i < cases.size() && cases[i].sensor == cases.front().sensor;) {
    std::size_t n = i;
    for (; n < cases.size() && cases[n].sensor == cases[i].sensor && cases[n].kind == cases[i].kind; ++n)
      sizes += cases[n].size > 0 ? fmt::format("<th scope=\"col\">{:g} sd</th>", cases[n].size) : "<th></th>";
    kinds += fmt::format("<th scope=\"colgroup\" colspan=\"{}\">{}</th>", n - i, fault_name(cases[i].kind));
    i = n;
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const bool first = i == 0 || cases[i].sensor != cases[i - 1].sensor;
    if (first)
      body += fmt::format("{}<tr><th scope=\"row\">{}</th>", i == 0 ? "" : "</tr>\n",
                          html_text(page.bundle.columns[cases[i].sensor].name));
    body += cell(cases[i]);
  }
  if (!cases.empty()) body += "</tr>";
  return render_template(embedded::drill_page,
                         {{"TITLE", html_text(page.bundle.name)},
                          {"WHERE", html_text(fmt::format("data set {}, {} rows", page.data_set, page.part))},
                          {"WORDS", words},
                          {"KINDS", kinds},
                          {"SIZES", sizes},
                          {"BODY", body}});
}

}  // namespace anomctl
