# Two pictures of a study: steps against corruption, and throughput against accuracy.
# Expects name (path of NAME.csv without its ending), format (svg or png) and title.
set datafile separator ','
if (format eq 'svg') {
  set terminal svg size 1200,500 font 'DejaVu Sans,13' background '#ffffff'
} else {
  set terminal pngcairo size 1200,500 font 'DejaVu Sans,10' background '#ffffff'
}
set output name.'.'.format
set multiplot layout 1,2 title title
set grid linecolor '#dddddd'
set border 3
set tics nomirror

rows = name.'.csv'
# The value of a column in rows of one corruption, and nothing in the others.
of(kind, value) = strcol('corruption') eq kind ? value : NaN

set xlabel 'corrupted pixels, %'
set ylabel 'steps'
set yrange [0:*]
set xrange [0:42]
set key top left reverse Left
plot rows using (of('flip', column('level'))):(column('fixed_steps')) \
       with linespoints linewidth 2 pointtype 6 linecolor '#bbbbbb' title 'flips: fixed, as many recovered', \
     rows using (of('flip', column('level'))):(column('median_steps')):(column('p95_steps')) \
       with filledcurves fillcolor '#cfe2f3' title 'flips: median to 95th percentile', \
     rows using (of('flip', column('level'))):(column('mean_steps')) \
       with linespoints linewidth 2 pointtype 7 linecolor '#1f77b4' title 'flips: halting, mean', \
     rows using (of('block', column('level'))):(column('mean_steps')) \
       with linespoints linewidth 2 pointtype 5 linecolor '#d95f02' title 'covered squares: halting, mean'

points = name.'-tradeoff.csv'
of_mode(mode, value) = strcol('mode') eq mode ? value : NaN
set xlabel 'recovered, %'
set ylabel 'queries per second'
set logscale y
set format y '%.0s%c'
set xrange [50:100]
set yrange [*:*]
set key bottom left reverse Left
plot points using (of_mode('fixed', 100 * column('recovered'))):(column('queries_per_second')) \
       with linespoints linewidth 2 pointtype 6 linecolor '#888888' title 'fixed steps', \
     points using (of_mode('halting', 100 * column('recovered'))):(column('queries_per_second')) \
       with linespoints linewidth 2 pointtype 7 linecolor '#1f77b4' title 'halting, several tolerances'
unset multiplot
