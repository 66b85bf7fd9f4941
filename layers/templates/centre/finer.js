// The finer parameters of a statistic, folded away in its legend. They stand in the address, as far as the method
// shown knows them; what is as by default is left out.
(function () {
  "use strict";
  // name in the page's address → as the server takes it (`at` is the page's own: its place)
  const ASKED = { since: "at" };
  const KNOWN = {
    gi: ["cell", "seed"], moran: ["cell", "seed"], rates: ["cell", "seed"],
    scan: ["side", "share", "radius", "cell", "runs", "seed"],
    recent: ["longest", "share", "radius", "cell", "runs", "seed"],
    compare: ["since", "areas", "cell"]
  };
  const DEFAULTS = { cell: "100", runs: "999", share: "0.25", radius: "", side: "high", longest: "7", seed: "0", since: "", areas: "" };
  const CHOICES = {
    cell: ["50", "75", "100", "150", "200", "300", "500"], runs: ["99", "199", "499", "999", "1999"],
    share: ["0.05", "0.1", "0.25", "0.5"], radius: ["", "100", "200", "300", "500", "1000"],
    side: ["high", "low", "both"], longest: ["1", "3", "7", "14", "21", "30"]
  };
  const NAMES = Object.keys(DEFAULTS);

  centre.finer = {
    // What an address says of them: {name: value}, without what is as by default.
    read: function (asked) {
      const found = {};
      NAMES.forEach(function (name) { const value = asked.get(name); if (value && value !== DEFAULTS[name]) found[name] = value; });
      return found;
    },

    // Those of the view that the method knows: of them alone its question is made.
    of: function (view) {
      const method = view.theme === "statistics" ? view.choice.split("@")[0] || "gi" : "", found = {};
      (KNOWN[method] || []).forEach(function (name) { if (view.finer[name]) found[name] = view.finer[name]; });
      return found;
    },

    asked: function (view) {
      const found = centre.finer.of(view), told = {};
      Object.keys(found).forEach(function (name) { told[ASKED[name] || name] = found[name]; });
      return told;
    }
  };

  centre.part(function (map, page) {
    const box = wangge.element("details", { class: "cc-finer" });
    // a legend may be as high as there is room already
    box.addEventListener("toggle", function () { if (box.open) box.scrollIntoView({ block: "nearest" }); });
    let made = "", typing = null;

    function change(name, value) {
      const finer = {};
      NAMES.forEach(function (one) {
        const now = one === name ? value : centre.view.finer[one];
        if (now && now !== DEFAULTS[one]) finer[one] = now;
      });
      centre.change({ finer: finer });
    }

    function word(name, value) {
      const say = wangge.say;
      if (name === "cell" || name === "radius") return value ? say("centre.finer_metres", { count: wangge.number(value) }) : say("centre.finer_any");
      if (name === "share") return centre.short(100 * Number(value)) + "%";
      if (name === "longest") return say("centre.days", { count: value });
      return name === "side" && CHOICES.side.indexOf(value) >= 0 ? say("centre.side_" + value) : wangge.number(value);
    }

    // Three digits, where one community's grids have them alone; else the whole code.
    function short(code) {
      const grid = centre.grid(code);
      return grid && page.communities.length === 1 ? grid.label : code;
    }

    function codes(input) {
      const told = input.value.split(/[\s,，、]+/).filter(Boolean), found = [];
      const unknown = told.find(function (text) {
        const alike = page.grids.filter(function (grid) { return grid.code === text || grid.label === text.padStart(3, "0"); });
        if (alike.length === 1) found.push(alike[0].code);
        return alike.length !== 1;
      });
      input.setCustomValidity(unknown ? wangge.say("centre.finer_unknown", { name: unknown }) : "");
      if (unknown) { input.reportValidity(); return null; }
      return Array.from(new Set(found)).sort().join(",");
    }

    function control(name) {
      if (CHOICES[name]) {
        const select = wangge.element("select", { name: name });
        select.addEventListener("change", function () { change(name, select.value); });
        return select;
      }
      const kinds = { seed: { type: "number", min: "0", max: "2147483647", step: "1" }, since: { type: "date", min: "1900-01-01", max: "2199-12-31" } };
      const input = wangge.element("input", Object.assign({ name: name, type: "text", autocomplete: "off" }, kinds[name]));
      if (name === "areas") input.setAttribute("placeholder", "003, 007");
      input.addEventListener("input", function () { input.setCustomValidity(""); typing = input; });
      input.addEventListener("blur", function () { typing = null; });
      input.addEventListener("change", function () {
        typing = null;
        const value = name === "areas" ? codes(input) : input.value;
        if (value !== null && input.validity.valid) change(name, value);
      });
      return input;
    }

    function show(name, node) {
      const value = centre.view.finer[name] || DEFAULTS[name];
      if (!CHOICES[name]) {
        const text = name === "areas" ? value.split(",").filter(Boolean).map(short).join(", ") : name === "since" ? value.slice(0, 10) : value;
        // an answer that comes meanwhile does not wipe what is being typed
        if (node !== typing && (document.activeElement !== node || node.validity.valid)) node.value = text;
        return;
      }
      const values = CHOICES[name].indexOf(value) >= 0 ? CHOICES[name] : CHOICES[name].concat([value]);
      if (node.dataset.values !== values.join("|")) {
        node.replaceChildren.apply(node, values.map(function (one) { return wangge.element("option", { value: one }, word(name, one)); }));
        node.dataset.values = values.join("|");
      }
      node.value = value;
    }

    // The controls of a method; cells: whether its units are cells. They stay the same nodes while the method does,
    // so that a list that is open stays open.
    centre.finer.controls = function (method, cells) {
      const names = (KNOWN[method] || []).filter(function (name) { return name !== "cell" || cells; });
      const key = [method, cells, wangge.language()].join();
      if (key !== made) {
        made = key;
        const reset = wangge.element("button", { type: "button", class: "cc-link" }, wangge.say("centre.finer_default"));
        reset.addEventListener("click", function () {
          centre.change({ finer: {} });
          box.querySelector("summary").focus();
        });
        box.replaceChildren.apply(box, [wangge.element("summary", {}, "")].concat(names.map(function (name) {
          return wangge.element("label", {}, wangge.element("span", {}, wangge.say("centre.finer_" + name)), control(name));
        }), [reset]));
      }
      const changed = names.filter(function (name) { return centre.view.finer[name]; }).length;
      box.querySelector("summary").textContent = wangge.say("centre.finer") + (changed ? wangge.say("centre.finer_changed", { count: changed }) : "");
      box.querySelector("button").hidden = !changed;
      box.querySelectorAll("select, input").forEach(function (node) { show(node.name, node); });
      return box;
    };
  });
})();
