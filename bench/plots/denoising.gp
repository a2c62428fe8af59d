# Samples of noise on their way to stored glyphs: how far they are, how sharp, and how evenly they end up.
# Expects name (path of NAME.csv without its ending), format (svg or png) and title.
set datafile separator ','
set datafile missing NaN  # so that lines go on where rows of others lie between
if (format eq 'svg') {
  set terminal svg size 1400,460 font 'DejaVu Sans,13' background '#ffffff'
} else {
  set terminal pngcairo size 1400,460 font 'DejaVu Sans,10' background '#ffffff'
}
set output name.'.'.format
rows = name.'.csv'
ways = system(sprintf("awk -F'\"' 'NR > 1 && !seen[$2]++ { print \"\\\"\" $2 \"\\\"\" }' '%s'", rows))
colours = '#d62728 #1f77b4 #2ca02c #e6a817'
of(way, value) = strcol('way') eq way ? value : NaN

set multiplot layout 1,3 title title
set grid linetype 1 linecolor '#e4e4e4'
set border 3
set tics nomirror
set xlabel 'steps'
set xrange [0:*]

set ylabel 'distance from the nearest glyph, root mean square of a pixel'
set logscale y
set format y '%g'
set key bottom left reverse Left
plot for [k = 1:words(ways)] rows using 'steps':(of(word(ways, k), column('distance'))) \
  with linespoints linewidth 2 pointtype 7 pointsize 0.9 - 0.15 * k linecolor rgb word(colours, k) title word(ways, k)

set ylabel 'largest posterior at the step''s temperature, mean'
unset logscale y
set yrange [0:1.02]
unset key
plot for [k = 1:words(ways)] rows using 'steps':(of(word(ways, k), column('largest_posterior'))) \
  with linespoints linewidth 2 pointtype 7 pointsize 0.9 - 0.15 * k linecolor rgb word(colours, k)

set ylabel 'perplexity of where samples end'
set xlabel ''
set grid noxtics
set xrange [0.4:words(ways) + 0.6]
set yrange [0:*]
set xtics scale 0 ()
do for [k = 1:words(ways)] { set xtics add (word(ways, k) k) }
set boxwidth 0.6
set style fill solid noborder
set key top right
set offsets 0, 0, graph 0.15, 0
plot for [k = 1:words(ways)] rows using (k):(of(word(ways, k), column('perplexity'))) \
       with boxes linecolor rgb word(colours, k) notitle, \
     rows using (0.4 + 0 * $2):'even_perplexity':(words(ways) + 0.2):(0) \
       with vectors nohead dashtype 2 linecolor '#000000' title 'even draws'
unset multiplot
