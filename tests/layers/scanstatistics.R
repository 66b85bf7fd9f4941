# The prospective Poisson scan by R's scanstatistics, to compare ours with:
#   Rscript tests/layers/scanstatistics.R > tests/layers/scanstatistics.json
# Places with people, days that were looked at for longer and for shorter, cases dealt out by both; in the first
# set they rise at some places in the last days, in the second nowhere. The package scans every span that ends
# with the last day of its matrix: so the days before stand in a place of their own, in which no circle lies.
suppressPackageStartupMessages(library(scanstatistics))
days <- 14
longest <- 5
places <- 45
runs <- 9999

told <- function(name, value) paste0('"', name, '": ', value)
list_of <- function(values) paste0("[", paste(values, collapse = ", "), "]")
rows_of <- function(m) list_of(apply(m, 1, list_of))

set.seed(20261122)
sets <- character()
for (rise in c(3, 1)) {
  at <- cbind(sample(6000, places), sample(4000, places))
  people <- sample(50:900, places)
  weights <- sample(c(6, 8, 12, 24), days, replace = TRUE)
  apart <- as.matrix(dist(at))
  near <- t(apply(apart, 1, order))
  risk <- outer(people, weights)
  struck <- near[7, 1:6]
  last <- (days - 2):days
  lambda <- risk / sum(risk) * 700
  lambda[struck, last] <- lambda[struck, last] * rise
  counts <- matrix(rpois(places * days, lambda), places, days)
  total <- sum(counts)
  expected <- total * risk / sum(risk)

  # circles round each place with up to half of the people
  zones <- list()
  for (middle in seq_len(places)) {
    for (size in seq_len(places)) {
      zone <- near[middle, seq_len(size)]
      if (sum(people[zone]) > 0.5 * sum(people)) break
      zones[[length(zones) + 1]] <- zone
    }
  }
  recent <- days:(days - longest + 1) # the last day first
  before <- seq_len(days - longest)
  of_recent <- function(m) cbind(t(m[, recent]), c(sum(m[, before]), rep(0, longest - 1)))
  found <- scanstatistics:::scan_pb_poisson_cpp(
    of_recent(counts), of_recent(expected), unlist(zones) - 1, lengths(zones), TRUE, 0)$observed
  simulated <- scanstatistics:::scan_pb_poisson_cpp(
    of_recent(counts), of_recent(expected), unlist(zones) - 1, lengths(zones), FALSE, runs)$simulated

  # the best one, and those after it that share no place with one before
  best <- character()
  taken <- integer()
  for (row in order(-found$score)) {
    zone <- zones[[found$zone[row]]]
    if (found$score[row] <= 0 || length(best) == 4) break
    if (any(zone %in% taken)) next
    taken <- c(taken, zone)
    span <- (days - found$duration[row] + 1):days
    best <- c(best, paste0("{", paste(
      told("places", list_of(zone - 1)), told("days", found$duration[row]),
      told("cases", sum(counts[zone, span])), told("expected", format(sum(expected[zone, span]), digits = 12)),
      told("ratio", format(found$score[row], digits = 12)),
      told("relative_risk", format(found$relrisk_in[row] / found$relrisk_out[row], digits = 12)),
      told("p", format((1 + sum(simulated$score >= found$score[row])) / (runs + 1), digits = 6)),
      sep = ", "), "}"))
  }
  sets <- c(sets, paste0("{", paste(
    told("places", rows_of(at)), told("people", list_of(people)), told("weights", list_of(weights)),
    told("longest", longest), told("runs", runs), told("counts", rows_of(counts)),
    told("clusters", paste0("[\n  ", paste(best, collapse = ",\n  "), "]")), sep = ",\n "), "}"))
}
cat(paste0("[", paste(sets, collapse = ",\n"), "]\n"))
