// Population groups: bands by area of publication as on a community's map; what is withheld is hatched.
(function () {
  "use strict";
  centre.part(function (map, page) {
    page.groups.forEach(function (group) { wangge.drawers.group_heat(map, group); });
    function group() { return page.groups.find(function (one) { return one.group === centre.view.choice; }) || page.groups[0]; }

    function legend() {
      const told = group();
      if (!told) return null;
      const seen = {}, entries = [];
      told.cells.slice().sort(function (a, b) { return a.rank - b.rank; }).forEach(function (cell) {
        if (cell.rank && !seen[cell.rank]) entries.push({ symbol: "fill", colour: cell.colour, label: wangge.choose(cell.label) });
        seen[cell.rank] = cell;
      });
      const notes = [wangge.choose(told.note)];
      if (seen[0]) {
        entries.push({ symbol: "hatch", label: wangge.choose(seen[0].label) });
        notes.push(wangge.say("legend.withheld_note"));
      }
      if (!told.cells.length) notes.push(wangge.say("legend.groups_none"));
      return { title: wangge.choose(told.label), entries: entries, notes: notes };
    }

    centre.themes.people = {
      name: function () { return "group:" + (group() ? group().group : ""); },
      legend: legend
    };
  });
})();
