// Sorting, filtering, the theme. Numbers are shown as they came: nothing is computed here.
"use strict";

(() => {
  const THEME = "lhlbench-theme";
  const stored = {
    // Browsers may refuse storage to pages opened from a disk.
    read() { try { return localStorage.getItem(THEME); } catch { return null; } },
    write(value) { try { localStorage.setItem(THEME, value); } catch { /* lasts for this page */ } },
  };
  const root = document.documentElement;
  if (["dark", "light"].includes(stored.read())) root.dataset.theme = stored.read();
  root.classList.add("scripted");

  function theme(button) {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const label = () => { button.textContent = dark() ? "Light" : "Dark"; };
    button.hidden = false;
    button.setAttribute("aria-label", "Switch between light and dark");
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      stored.write(root.dataset.theme);
      label();
    });
    system.addEventListener("change", label);
    label();
  }

  const words = new Intl.Collator("en", { numeric: true });
  const value = (cell) => ("value" in cell.dataset ? Number(cell.dataset.value) : null);

  // Order of two cells: what is missing comes last, whichever way the column is sorted.
  function compare(one, other, numeric, sign) {
    if (!numeric) return sign * words.compare(one.textContent, other.textContent);
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (a - b);
  }

  // A table whose rows are sorted within their groups, filtered, and shown a screenful first.
  function viewed(table) {
    const heads = [...table.tHead.rows[0].cells];
    const groups = [...table.tBodies].map((body) => {
      const rows = [...body.rows].filter((row) => "row" in row.dataset);
      return { body, given: rows, rows };
    });
    const all = groups.flatMap((group) => group.rows);
    let wanted = () => true;
    let most = Number(table.dataset.rows) || Infinity;

    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    more.addEventListener("click", () => { most = Infinity; limit(); });
    table.closest(".scroll").after(more);

    function limit() {
      for (const { body, rows } of groups) {
        let shown = 0;
        for (const row of rows) {
          row.hidden = !wanted(row);
          if (!row.hidden) shown += 1;
          row.classList.toggle("later", shown > most);
        }
        body.hidden = !shown;
      }
      const later = all.filter((row) => !row.hidden && row.classList.contains("later")).length;
      more.hidden = !later;
      more.textContent = `Show ${later} more rows`;
    }
    function sort(key, order) {
      const index = heads.findIndex((head) => head.dataset.key === key);
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      if (index >= 0) heads[index].setAttribute("aria-sort", order);
      for (const group of groups) {
        group.rows = [...group.given];
        if (index >= 0) {
          const cell = (row) => row.cells[index] ?? row;
          const numeric = group.rows.some((row) => "value" in cell(row).dataset);
          const sign = order === "descending" ? -1 : 1;
          group.rows.sort((a, b) => compare(cell(a), cell(b), numeric, sign));
        }
        group.body.append(...group.rows);
      }
      limit();
    }
    function filter(test) {
      wanted = test;
      limit();
      return [all.filter((row) => !row.hidden).length, all.length];
    }
    limit();
    return { sort, filter };
  }

  // Whether a row of the leaderboard passes the filters.
  function passes(state) {
    const part = (state.get("q") ?? "").toLowerCase();
    const [kind, exemplars] = [state.get("show"), state.get("exemplars")];
    return (row) => row.dataset.name.toLowerCase().includes(part)
      && (!kind || row.parentNode.dataset.group === kind)
      && (!exemplars || row.dataset.exemplars === exemplars);
  }

  // What the reader chose lives in the part of the address behind #, so that it can be passed on.
  function start() {
    const toggle = document.querySelector("[data-theme-toggle]");
    if (toggle) theme(toggle);
    const tables = [...document.querySelectorAll("table[data-sortable]")];
    const form = document.querySelector("[data-filters]");
    const shared = tables.length === 1;
    const views = tables.map(viewed);
    let state = new URLSearchParams();

    function filter() {
      const [shown, all] = views[0].filter(passes(state));
      const count = form.querySelector("[data-count]");
      const some = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
      count.textContent = shown ? some : "No method matches";
    }
    function apply() {
      if (form) {
        for (const name of ["q", "show", "exemplars"]) form.elements[name].value = state.get(name) ?? "";
        filter();
      }
      const order = state.get("order") === "descending" ? "descending" : "ascending";
      if (shared) views[0].sort(state.get("sort"), order);
    }
    function keep(changes) {
      for (const [name, to] of Object.entries(changes)) {
        if (to) state.set(name, to); else state.delete(name);
      }
      history.replaceState(null, "", `#${state}`);
    }
    function read() {
      // An address such as #main leads to a place in the page and says nothing of the table.
      if (location.hash && !location.hash.includes("=")) return;
      state = new URLSearchParams(location.hash.slice(1));
      apply();
    }

    tables.forEach((table, number) => table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("button")?.closest("th");
      if (!head) return;
      const before = head.getAttribute("aria-sort");
      const flipped = before === "descending" ? "ascending" : "descending";
      const order = before ? flipped : head.dataset.first;
      if (shared) keep({ sort: head.dataset.key, order });
      views[number].sort(head.dataset.key, order);
    }));
    if (form) {
      form.hidden = false;
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("input", () => {
        keep(Object.fromEntries(new FormData(form)));
        filter();
      });
      form.addEventListener("reset", (event) => {
        event.preventDefault();
        keep({ q: "", show: "", exemplars: "" });
        apply();
      });
    }
    for (const link of document.querySelectorAll("a[data-keep]")) {
      link.addEventListener("click", () => { link.hash = state.size ? `${state}` : ""; });
    }
    addEventListener("hashchange", read);
    read();
  }

  addEventListener("DOMContentLoaded", start);
})();
